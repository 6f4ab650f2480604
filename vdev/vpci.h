/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space as the service guest sees it: given-away functions absent, MSI and MSI-X translated. */

#ifndef VDEV_VPCI_H
#define VDEV_VPCI_H

#include "lib/types.h"
#include "arch/vcpu.h"

/*
 * The guest owns the physical functions: what it reads and writes in their configuration space is the real
 * thing, except
 *  - functions that the visible() operation denies: they read as ones, writes to them vanish, and a bridge on
 *    the way to one is read-only (else it could be renumbered into view, switched off or reset);
 *  - the MSI capability and the MSI-X capability and table (PCI Local Bus 3.0, 6.8): the guest sees the values
 *    that it wrote, the device only ever holds what msi_bind() gave. One message is offered per MSI capability
 *    (Multiple Message Capable reads 0): several messages need aligned runs of host vectors on one CPU, which
 *    cannot be moved one by one, and every driver works with one;
 *  - registers of chip sets that move what is filtered elsewhere (ECAM window, power-management ports);
 *  - functions that have no room in the tables: their capability, or MSI-X alone, is hidden;
 *  - virtual functions of SR-IOV (their vendor ID reads as ones): writes vanish.
 * What cannot be kept here: a device's DMA can write interrupt messages, or another device's table. Only an
 * IOMMU with interrupt remapping stops that.
 *
 * A guest's message is not interpreted here. An address in remappable format (bit 4) is passed to msi_bind like
 * any other: no remapping unit is shown to the guest, so to it the bit means nothing.
 *
 * Context: any CPU; the caller holds the one lock of this VM's PCI devices around every call, also while the
 * operations are called back. Costs are bounded: discovery by 48 capabilities, BAR moves and MSI-X enabling by the
 * 2048 entries of a table, forgetting functions behind a renumbered bridge by VPCI_FUNCS_MAX.
 */

/* A function's address: segment in 31:16, bus in 15:8, device in 7:3, function in 2:0. */
#define VPCI_BDF(seg, bus, dev, fn) \
	(((uint32_t)(seg) << 16) | ((uint32_t)(bus) << 8) | ((uint32_t)(dev) << 3) | (uint32_t)(fn))
#define VPCI_BUS(bdf) (((bdf) >> 8) & 0xffU)
#define VPCI_SEG(bdf) ((bdf) >> 16)

#define VPCI_FUNCS_MAX	 256
#define VPCI_ENTRIES_MAX 65535
#define VPCI_ECAM_MAX	 4
#define VPCI_BARS	 6
#define VPCI_HIDDEN_MAX	 4
#define VPCI_HASH_SIZE	 (2 * VPCI_FUNCS_MAX)
#define VPCI_MSI_BYTES	 24 /* of the longest form of the capability */

#define VPCI_BAR_OFF (~0ULL) /* bar_changed: decodes nothing now */

enum vpci_irq_kind { VPCI_IRQ_MSI, VPCI_IRQ_MSIX };

/* One message source of one function, as msi_bind sees it. Its address is stable while it is bound. */
struct vpci_irq {
	uint32_t bdf;
	uint16_t index; /* MSI-X entry; 0 for MSI */
	uint8_t kind;	/* enum vpci_irq_kind */
	uint8_t flags;	/* vpci's own */
	uint32_t
		cookie; /* the operations' own while it is bound; 0 when msi_bind is called first */
};

/* What the hypervisor does for the device model. @arg is vpci_init's. */
struct vpci_ops {
	/* Physical configuration space. @size 1, 2, 4; @off below 4096 and a multiple of @size. */
	uint32_t (*cfg_read)(void *arg, uint32_t bdf, uint16_t off, uint8_t size);
	void (*cfg_write)(void *arg, uint32_t bdf, uint16_t off, uint8_t size, uint32_t value);
	/* May the guest see this function? Asked once per function. */
	bool (*visible)(void *arg, uint32_t bdf);
	/*
	 * The guest wants @irq to arrive as this message; says what to write into the device. Called again, bound,
	 * when the guest changes the message: the same answer is the cheap case. On an error the source stays
	 * masked, and it is unbound if it was bound (msi_unbind follows).
	 */
	int (*msi_bind)(void *arg, struct vpci_irq *irq, uint64_t guest_addr, uint32_t guest_data,
			uint64_t *phys_addr, uint32_t *phys_data);
	/* The device has been told to send no more of these. */
	void (*msi_unbind)(void *arg, struct vpci_irq *irq);
	/*
	 * The guest's accesses to these 4 KiB pages shall exit (@on), or no more. Must refuse (negative) what is not
	 * device memory in this guest's hands: @gpa comes from a BAR, and mmio_* will be used on all that it allows.
	 */
	int (*trap_mmio)(void *arg, gpa_t gpa, uint64_t len, bool on);
	/* Physical device memory in pages that trap_mmio allowed. @size 1, 2, 4, 8, naturally aligned. */
	uint64_t (*mmio_read)(void *arg, hpa_t hpa, uint8_t size);
	void (*mmio_write)(void *arg, hpa_t hpa, uint8_t size, uint64_t value);
	/*
	 * A BAR decodes @base from now on (VPCI_BAR_OFF: nothing); also when a function is added, and again after
	 * sizing. @size is 0 until the guest has sized the BAR. May be NULL.
	 */
	void (*bar_changed)(void *arg, uint32_t bdf, uint32_t bar, uint64_t base, uint64_t size,
			    bool is_mem);
	/* A line for the log; at most a few per function. */
	report_fn log;
	/* Is this a function of the hypervisor's, and none of the machine? Then the access was done. May be NULL. */
	bool (*own)(void *arg, uint32_t bdf, uint32_t off, uint8_t size, bool write,
		    uint32_t *value);
};

/* One entry of an MSI-X table; the caller of vpci_init provides a pool of them. */
struct vpci_msix_entry {
	uint64_t addr;	    /* as the guest wrote it */
	uint64_t phys_addr; /* as msi_bind gave it */
	uint32_t data;
	uint32_t phys_data;
	struct vpci_irq irq;
	uint32_t masked; /* the guest's mask bit */
};

struct vpci_msi {
	uint8_t off; /* of the capability; 0: none */
	uint8_t len;
	uint8_t data_off, mask_off, pending_off; /* in the capability; 0: there is none */
	bool on;				 /* enabled in the device */
	uint8_t reg[VPCI_MSI_BYTES];		 /* the capability as the guest sees it */
	uint64_t addr, phys_addr;		 /* of the message that is bound */
	uint32_t data, phys_data;
	struct vpci_irq irq;
};

struct vpci_msix {
	uint8_t off;	       /* of the capability; 0: none */
	uint8_t bir;	       /* BAR with the table */
	bool enable, mask_all; /* as the guest set them */
	bool armed;	       /* the pages around base are trapped */
	bool active;	       /* the table answers at base */
	bool clean;	       /* the device's table holds only what we wrote */
	bool on;	       /* enabled in the device */
	uint16_t count;	       /* entries */
	uint16_t first;	       /* of them in the pool */
	uint32_t offset;       /* of the table in its BAR */
	uint64_t base;	       /* of the table, while armed */
};

/* A range of bytes of configuration space, or a byte that reads as something else. */
struct vpci_hidden {
	uint8_t off, len;
	uint8_t link;	/* where the capability was linked from */
	uint8_t target; /* what that byte reads now */
};

/* One function; the caller of vpci_init provides an array of them. */
struct vpci_func {
	bool used;
	bool visible;
	bool readonly; /* a bridge above a function that was given away */
	bool bridge;
	bool mastered; /* its bus mastering has been on since it was learned about */
	uint8_t bar_count;
	uint8_t sizing; /* bit per BAR register: the guest has written all ones, to learn its size */
	uint8_t hidden_count;
	uint8_t lock_row, lock_count; /* rows of the chip set table */
	uint8_t logged;		      /* VPCI_LOG_* bits: said already */
	uint16_t command;
	uint32_t bdf;
	uint32_t id;	  /* device and vendor, as the register at 0 */
	uint32_t buses;	  /* a bridge's register 0x18 */
	uint64_t overlay; /* bit per dword: a read needs a look */
	uint64_t watch;	  /* bit per dword: a write needs a look */
	uint32_t bar[VPCI_BARS];
	uint32_t bar_mask[VPCI_BARS]; /* what all ones read back as; 0: not known */
	struct vpci_hidden hidden[VPCI_HIDDEN_MAX];
	struct vpci_msi msi;
	struct vpci_msix msix;
};

struct vpci_ecam {
	uint64_t base; /* of first_bus */
	uint64_t len;
	uint16_t segment;
	uint8_t first_bus;
};

struct vpci {
	const struct vpci_ops *ops;
	void *arg;
	struct vpci_func *funcs;
	struct vpci_msix_entry *entries;
	uint32_t func_max, func_count, entry_max;
	uint32_t latch; /* port 0xcf8 */
	struct vpci_func *last;
	struct vpci_func *last_msix;
	uint32_t armed_count;
	uint32_t ecam_count;
	struct vpci_ecam ecam[VPCI_ECAM_MAX];
	bool full_logged;
	uint16_t hash[VPCI_HASH_SIZE]; /* 1 + index into funcs; 0: free */
};

/*
 * An empty device model over zeroed @funcs (at most VPCI_FUNCS_MAX) and @entries (at most VPCI_ENTRIES_MAX), which
 * it keeps. Both may be few: what has no room is hidden from the guest.
 */
void vpci_init(struct vpci *v, const struct vpci_ops *ops, void *arg, struct vpci_func *funcs,
	       uint32_t func_max, struct vpci_msix_entry *entries, uint32_t entry_max);

/*
 * An ECAM window as MCFG describes it: @base is that of bus 0 (PCI Firmware 3.0, 4.1.2), only the pages of buses
 * @first to @last are trapped. 0, -ENOSPC, -EINVAL, or what trap_mmio said.
 */
int vpci_ecam_add(struct vpci *v, uint16_t segment, uint64_t base, uint8_t first, uint8_t last);

/*
 * Learn about a function; MSI and MSI-X that firmware left on are switched off in a visible one. Those that are given
 * away should be added too, before the guest runs: the bridges above them become read-only. Unknown functions are
 * added when the guest first touches them. 0, -EEXIST, -ENODEV (none there), -ENOSPC.
 */
int vpci_add(struct vpci *v, uint32_t bdf);

/*
 * The guest's access to ports 0xcf8 to 0xcff, @size 1, 2, 4. False: not a configuration access (anything but 32 bits
 * at 0xcf8, see PCI Local Bus 3.0, 3.2.2.3.2), for another device: 0xcf9 is the reset control register.
 */
bool vpci_io_read(struct vpci *v, uint16_t port, uint8_t size, uint32_t *value);
bool vpci_io_write(struct vpci *v, uint16_t port, uint8_t size, uint32_t value);

/* The guest's access to memory, @size 1, 2, 4, 8. False: neither ECAM nor a trapped page. */
bool vpci_mmio_read(struct vpci *v, gpa_t gpa, uint8_t size, uint64_t *value);
bool vpci_mmio_write(struct vpci *v, gpa_t gpa, uint8_t size, uint64_t value);

/* The guest's view of a register, for any @off and @size 1, 2, 4. What crosses offset 4096 is ones, or dropped. */
uint32_t vpci_cfg_read(struct vpci *v, uint32_t bdf, uint32_t off, uint8_t size);
void vpci_cfg_write(struct vpci *v, uint32_t bdf, uint32_t off, uint8_t size, uint32_t value);

/*
 * The guest has stopped; for each slot @i of the functions' array: bus mastering, MSI and MSI-X off if there is a visible
 * function, its sources unbound. Bridges above given-away functions keep running.
 */
void vpci_quiesce(struct vpci *v, uint32_t i);

/*
 * Then, before it begins anew, forget what is in each slot, in ascending order and all of them; the devices may be reset
 * meanwhile. A function is learned again when it is touched first.
 */
void vpci_forget(struct vpci *v, uint32_t i);

#endif
