/* SPDX-License-Identifier: BSD-2-Clause */
/* A compartment: its memory, buses, devices and vCPUs, and the events that reach a vCPU from elsewhere. */

#ifndef VM_VM_H
#define VM_VM_H

#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/pool.h"
#include "arch/vcpu.h"
#include "ept/frame.h"
#include "ept/nested.h"
#include "lib/lock.h"
#include "sched/sched.h"
#include "vdev/host.h"
#include "vdev/vacpi.h"
#include "vdev/vfwcfg.h"
#include "vdev/vioapic.h"
#include "vdev/vlapic.h"
#include "vdev/vpic.h"
#include "vdev/vpit.h"
#include "vdev/vpower.h"
#include "vdev/vrtc.h"
#include "vdev/vuart.h"
#include "vm/config.h"
#include "vm/conring.h"
#include "vm/decode.h"

#define VM_LOUD_LIVES	  8
#define VM_VCPUS	  CONFIG_VCPUS
#define VM_PORTS	  40 /* port ranges of one VM */
#define PORT_HINTS	  64
#define VM_MMIO		  80 /* MMIO ranges of one VM */
#define VM_EXTENTS	  64 /* pieces of RAM of one VM */
#define VM_HOLES	  96
#define VM_IOAPICS	  4
#define VM_MTRRS	  32 /* variable-range MSRs: base and mask of each */
#define XSTATE_FRAMES_MAX 4

struct vm;
struct vcpu;
struct vm_image;
struct shm;

/* A port handler: @in: put what is read in *@value, else it is what is written. Never fails: no device, all ones. */
typedef void (*port_fn)(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
			uint32_t *value);

struct port_range {
	uint16_t first, last;
	port_fn fn;
	void *arg;
};

/* An MMIO handler; the access lies wholly in the range, 1 to 8 bytes. */
typedef void (*mmio_fn)(struct vcpu *v, void *arg, uint64_t gpa, uint8_t size, bool write,
			uint64_t *value);

struct mmio_range {
	uint64_t first, last;
	mmio_fn fn;
	void *arg;
};

enum vcpu_state {
	VCPU_RUNNABLE,
	VCPU_HALTED,	/* HLT: until an interrupt, NMI, INIT */
	VCPU_WAIT_SIPI, /* after INIT, or never started */
	VCPU_STOPPED,	/* until a restart */
};

/* Events for a vCPU, set atomically by anybody, looked at before each entry. */
#define EV_IRQ	  BIT(0) /* its interrupt controllers may have something */
#define EV_NMI	  BIT(1)
#define EV_INIT	  BIT(2)
#define EV_SIPI	  BIT(3)
#define EV_STOP	  BIT(4)
#define EV_STEP	  BIT(5)  /* an emulated instruction ran with TF set: #DB is due */
#define EV_IDLE	  BIT(6)  /* v->state is not VCPU_RUNNABLE; by its own CPU only */
#define EV_RESET  BIT(7)  /* of a stopped one: it becomes as after power-up */
#define EV_START  BIT(8)  /* then: go, as a start-up IPI would make it */
#define EV_KICK	  BIT(9)  /* another vCPU ends its HLT, this one or the next, whatever IF is */
#define EV_PAUSE  BIT(10) /* as long as it is set the vCPU does not run */
#define EV_RESUME BIT(11) /* EV_PAUSE was taken back */
#define EV_SNAP	  BIT(12) /* the prompt wants its registers */
/* Looked at before anything else, and not put off by a pause. */
#define EV_ALWAYS (EV_STOP | EV_RESET | EV_PAUSE | EV_RESUME | EV_SNAP)

#define FETCH_LEVELS 4

/*
 * The last page that instruction bytes were read from, with the guest's page-table entries that led there: while they
 * and the windows that show them are the same, so is the translation (vm/gmem.c).
 */
struct fetch_cache {
	uint64_t page; /* GVA; ~0: nothing is cached */
	struct guest_mode mode;
	uint64_t generation; /* of the CPU's windows */
	uint8_t levels;
	const uint64_t *entry[FETCH_LEVELS];
	uint64_t value[FETCH_LEVELS];
	const uint8_t *bytes; /* of the page */
};

/* An instruction decoded before: the same bytes in the same mode are the same instruction. */
struct decoded {
	uint64_t head, tail; /* its bytes 0 to 7 and 7 to 14 */
	bool cached;
	struct insn insn;
};

#define DECODED 4 /* by RIP */

/* One of a vCPU's last exits. */
struct exit_record {
	uint64_t tsc, rip, qual;
	uint32_t reason, kind; /* raw, and enum exit_kind */
};
#define EXIT_RECORDS 16

/* By kind of exit: how many; while exits are timed also TSC ticks from the exit to the next entry, and the last ones. */
struct vcpu_stats {
	uint64_t exits[EXIT_KIND_COUNT];
	uint64_t ticks[EXIT_KIND_COUNT];
	uint64_t timed[EXIT_KIND_COUNT]; /* of exits[], how many are in ticks[] */
	uint64_t least[EXIT_KIND_COUNT], most[EXIT_KIND_COUNT];
	struct exit_record last[EXIT_RECORDS];
	uint32_t records; /* ever; the next one goes to this, modulo EXIT_RECORDS */
	uint32_t epoch;	  /* of exits_timed */
	uint64_t since;	  /* TSC up to which time is counted */
	bool asleep;	  /* or before the first entry: the time now is nobody's */
};

struct vcpu {
	struct vcpu_arch arch; /* first: backends see only this */
	struct vm *vm;
	uint32_t id; /* in its VM */
	struct cpu *cpu;
	uint8_t state; /* enum vcpu_state; by its own CPU only */
	bool paused;   /* it has taken notice of EV_PAUSE; by its own CPU only */
	uint8_t sipi_page;
	uint64_t events; /* EV_*, atomic */
	struct sched_entity entity;
	struct vlapic lapic;
	uint64_t xcr0, xss;
	uint64_t tsc_aux;
	void *xstate;		      /* XSAVE area while another vCPU has the registers */
	uint64_t clock_msr, wall_msr; /* KVM's paravirtual clock */
	struct {
		uint64_t msr;	/* MSR_KVM_STEAL_TIME */
		uint64_t ticks; /* that it could have run and did not, TSC */
		uint64_t left;	/* when it ran last */
		bool away;	/* another vCPU has had its CPU since */
	} steal;
	struct event deferred; /* an interrupt whose delivery faulted: it follows the fault */
	struct fetch_cache fetch;
	struct decoded decoded[DECODED];
	bool io_again; /* by a port's handler: the instruction is not done, the guest does it again */
	bool gpa_known; /* the exit's GPA is that of the emulated instruction's only operand */
	struct vcpu_stats stats;
};

/* A physical pin or message that belongs to this VM; see vm/irq.c. */
struct vm_pin;

/* [first, last]; @trap: made by memory_trap, and undone by it. */
struct vm_hole {
	uint64_t first, last;
	bool trap;
};

/* Stored for the guest, see vm/mtrr.c. */
struct vm_mtrrs {
	uint64_t cap, def_type;
	uint64_t variable[VM_MTRRS];
	uint64_t fixed[11];
};

struct vm {
	char name[CONFIG_NAME];
	uint32_t id;
	bool service;
	bool ended; /* atomic, written under life_lock: all its vCPUs are to stop */
	bool may_power;
	enum config_on_fault on_fault;
	enum config_on_exit on_exit;
	struct vm_arch arch;
	struct nested nested;
	struct quota quota;
	uint32_t vcpu_count;
	struct vcpu *vcpu[VM_VCPUS];
	struct vlapic *lapics[VM_VCPUS];
	struct mem_range extents[VM_EXTENTS]; /* isolated VMs: RAM, in guest order from GPA 0 */
	uint32_t extent_count;
	uint64_t memory;

	/* Guest-physical ranges that are never, or not now, identity-mapped (vm/memory.c). */
	uint32_t hole_count;
	struct vm_hole holes[VM_HOLES];

	uint32_t port_count, mmio_count;
	struct port_range ports[VM_PORTS];
	uint32_t port_hints[PORT_HINTS]; /* by a hash of the port: what port_find found */
	struct mmio_range mmio[VM_MMIO];

	struct vpower power;
	struct lock power_lock;
	struct vcpu *power_asking; /* under power_lock: whose access is being handled */

	struct lock irq_lock; /* of the devices below up to the UART, and of its pins */
	struct vdev_host host;
	uint32_t ioapic_count;
	struct vioapic ioapic[VM_IOAPICS];
	struct vpic pic;
	struct vpit pit;
	struct vacpi acpi;   /* isolated VMs only, as are */
	struct vrtc rtc;     /* the clock and */
	uint32_t pci_select; /* what was written to 0xcf8 */
	bool firmware;	     /* it starts in firmware, which has the next one */
	struct vfwcfg fwcfg;
	struct vuart uart;
	struct lock uart_lock;
	struct conring con; /* what COM1 sent; under the console's lock */
	struct vm_pin *pins;
	struct shm *shm; /* its shared regions, NULL: none (vm/shm.c) */
	struct vm_mtrrs mtrrs;

	/* Its end, its next life, its pauses (vm/stop.c, vm/restart.c, vm/pause.c). */
	struct lock life_lock;
	bool absent;	  /* it was never built */
	bool paused;	  /* it is to be, or is; under life_lock */
	bool paused_said; /* all its vCPUs have stopped for it; likewise */
	struct log_kept end_line;
	bool again;		  /* it is to be restarted when all its vCPUs have stopped */
	bool loud;		  /* this life's end is in the log */
	uint32_t busy;		  /* vCPUs that have not stopped, or not been reset, yet (atomic) */
	uint32_t restarts;	  /* the ends of the first VM_LOUD_LIVES lives are all in the log */
	uint64_t said;		  /* TSC when its end was last in the log */
	struct vm_image *image;	  /* NULL: it cannot be restarted */
	struct sched_entity work; /* its restart */
};

#define VMS_MAX CONFIG_VMS
extern struct vm *vms[VMS_MAX];
extern uint32_t vm_count;

static inline struct vcpu *vcpu_of(struct vcpu_arch *a)
{
	return container_of(a, struct vcpu, arch);
}

static inline uint64_t vcpu_efer(struct vcpu *v)
{
	struct guest_mode m;

	virt->get_mode(&v->arch, &m);
	return m.efer;
}

/* --- vm/vcpu.c --- */

/* An event for @v, from any CPU, interrupts off: set the bits, wake or kick it. */
void vcpu_raise(struct vcpu *v, uint64_t events);

/* Inject exception @vector at the next entry, following the double-fault rules (SDM vol. 3, table 6-5). */
void vcpu_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error);
static inline void vcpu_gp(struct vcpu *v)
{
	vcpu_exception(v, 13, true, 0);
}
static inline void vcpu_ud(struct vcpu *v)
{
	vcpu_exception(v, 6, false, 0);
}

/* Registers as after power-up reset, or INIT, or a start-up IPI. SDM vol. 3, table 9-1. */
void vcpu_reset(struct vcpu *v);
void vcpu_sipi(struct vcpu *v, uint8_t page);

/* Just before each entry: put what is pending into v->arch.inject, or ask for a window. False: @v does not run now. */
bool vcpu_events(struct vcpu *v);

/* Its own CPU, or before it runs. What is not VCPU_RUNNABLE shows in v->events, so that entries look at one word. */
void vcpu_state_set(struct vcpu *v, enum vcpu_state state);

/* Is there anything that ends a HLT? */
bool vcpu_wakeable(struct vcpu *v);

/* --- vm/run.c --- */
/* Are exits timed and the last ones kept? Counted they always are. Each change begins another epoch: any CPU. */
extern bool exits_timed;
void exits_time(bool on);
/* This CPU's life from the end of boot on; it waits for cpu_run_all. */
NORETURN void cpu_run(void);
/* Has @cpu come there? */
bool cpu_is_waiting(struct cpu *cpu);
/* Everything is built: let all CPUs go. */
void cpu_run_all(void);

/* --- vm/exit.c --- */
/* Handle the exit that @a->exit describes; true: ready for the next entry. */
bool exit_handle(struct vcpu_arch *a);
/* The exit's instruction is done: RIP behind it. Fetches and decodes where the hardware did not give the length. */
void vcpu_skip(struct vcpu *v);
void vcpu_skip_slowly(struct vcpu *v);

/* The same for handlers of kinds whose length is known before. */
static inline void vcpu_skip_known(struct vcpu *v)
{
	uint32_t len = v->arch.exit.len, low;

	if (unlikely(v->arch.shadow & SHADOW_BITS || v->arch.rflags & RFLAGS_TF ||
		     __builtin_add_overflow((uint32_t)v->arch.rip, len, &low)))
		vcpu_skip_slowly(v);
	else
		v->arch.rip += len;
}

/* A kind's name, for reports. */
const char *exit_name(uint32_t kind);

/* --- vm/cpuid.c, vm/msr.c, vm/cr.c --- */
void exit_cpuid(struct vcpu *v);
void exit_msr(struct vcpu *v);
void exit_cr(struct vcpu *v);
void exit_dr(struct vcpu *v);
void exit_xsetbv(struct vcpu *v);
/* Open the MSR bitmap for what needs no exit. At VM creation. */
void msr_init(struct vm *vm);
/* CR4 bits that @v may set, by what CPUID shows it. */
uint64_t cr4_allowed(const struct vcpu *v);
/* The answers that are always the same. Boot, once. */
void cpuid_init(void);

/* --- vm/io.c --- */
void exit_io(struct vcpu *v);
/* Who is at @port; NULL: nobody. */
const struct port_range *port_find(struct vm *vm, uint16_t port);
/* One access to @vm's port bus, from @v; ports where nobody is leave *@value alone. */
void port_access(struct vcpu *v, uint16_t port, uint8_t size, bool in, uint32_t *value);
/* At VM creation; ports are then intercepted. 0 or -ENOSPC. */
int port_add(struct vm *vm, uint16_t first, uint16_t last, port_fn fn, void *arg);
int mmio_add(struct vm *vm, uint64_t first, uint64_t last, mmio_fn fn, void *arg);
const struct mmio_range *mmio_find(const struct vm *vm, uint64_t gpa);

/* --- vm/mmio.c --- */
void exit_npf(struct vcpu *v);
/* INS, OUTS: the emulator does them. */
void exit_io_string(struct vcpu *v);

/* --- vm/pause.c --- */
enum vm_life {
	VM_ABSENT, /* it could not be built */
	VM_RUNNING,
	VM_PAUSING, /* not all its vCPUs have taken notice */
	VM_PAUSED,
	VM_ENDING, /* likewise */
	VM_RESTARTING,
	VM_ENDED,
};
enum vm_life vm_life(struct vm *vm);
/* What @vm is, in a word or two. */
const char *vm_life_name(struct vm *vm);
/*
 * What somebody who manages the machine may ask for, from any CPU: begun when it returns, the log says when it is done.
 * NULL, or why it cannot be.
 */
const char *vm_pause(struct vm *vm);
const char *vm_resume(struct vm *vm);
const char *vm_end_by(struct vm *vm, const char *whom);
const char *vm_restart_by(struct vm *vm);
/* EV_PAUSE, EV_RESUME: on @v's CPU. */
void pause_events(struct vcpu *v, uint64_t events);

/* --- vm/stop.c --- */
/*
 * All its vCPUs stop before their next entry, and the last one begins the restart if there is to be one. False: they
 * were stopping already.
 */
bool vm_end(struct vm *vm, bool again);
/* An end that no restart follows is counted; the machine may end with it. @by_itself: by the guest's choice. */
void vm_ended(struct vm *vm, bool by_itself);
/* It begins another life after all. */
void vm_not_ended(void);
/* The VM ended with a value: guest's choice. */
void vm_exit(struct vm *vm, uint32_t value);
/* It could not be built (NULL where there is not even that much): counts as ended. Boot. */
void vm_not_started(struct vm *vm);
/* A vCPU of @vm has stopped: on its CPU. */
void vm_vcpu_stopped(struct vm *vm);
/* Its restart failed, which is in the log: counts as ended. */
void vm_given_up(struct vm *vm);
/* Exits by kind, to the log at debug level. */
void vm_stats_log(const struct vm *vm);
/* The VM is stopped for what its vCPU @v did; says reason, RIP, exit. The guest's fault, never ours. */
void vm_stop(struct vcpu *v, const char *fmt, ...) PRINTF(2, 3);

#endif
