/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared regions as one VM sees them: configuration space, BARs in every place, rights, doorbells to itself. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/pci.h"
#include "lib/shm.h"
#include "lib/trap.h"
#include "lib/x86.h"

/* share = wide 4M rw, read 64K ro, bell 4K none, page 4K rw; the keeper has the second rw, and fills it. */
#define REGIONS	     4
#define WIDE_SIZE    0x400000UL
#define READ_SIZE    0x10000UL
#define PAGE	     4096UL
#define VECTOR	     0x50
#define COMMAND_OFF  0U
#define MSIX_CONTROL 2
#define MSIX_ENABLE  0x8000U
#define MSIX_ALL     0x4000U
#define PBA	     (0x800 / 4)
#define INT_LINE     0x3c
#define INT_PIN	     0x3d
#define IOAPIC_LEVEL 0x8000U
#define IOAPIC_LOW   0x2000U
#define IOAPIC_MASK  0x10000U
#define PIC_SLAVE    0xa0
#define PIC_READ_IRR 0x0a
#define STEP	     0x9e3779b97f4a7c15ULL

enum { WIDE, READ, BELL, SMALL };

static struct shm region[REGIONS];
static const char *const names[REGIONS] = {"wide", "read", "bell", "page"};
static bool is_service;

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void bar_write(const struct shm *s, uint32_t n, uint64_t base)
{
	pci_write(s->bdf, (uint16_t)(PCI_BAR0 + 4 * n), 4, (uint32_t)base);
	if (n == 2)
		pci_write(s->bdf, PCI_BAR0 + 12, 4, (uint32_t)(base >> 32));
}

static volatile uint64_t *at(uint64_t address)
{
	return (volatile uint64_t *)address;
}

/* Where nobody answers an isolated guest reads ones; the service guest what the machine says, which is not the region. */
static bool nobody(uint64_t address)
{
	return is_service ? at(address)[0] != STEP : at(address)[0] == ~0ULL;
}

static uint64_t base_of(const struct shm *s)
{
	return (uint64_t)s->memory;
}

static bool identity(void)
{
	static const uint8_t rights[REGIONS] = {2, 1, 0, 2};
	static const uint64_t sizes[REGIONS] = {WIDE_SIZE, READ_SIZE, 0, PAGE};

	for (uint32_t i = 0; i < REGIONS; i++) {
		const struct shm *s = &region[i];

		CHECK_EQ(s->bdf, region[0].bdf + i);
		CHECK_EQ(s->rights, rights[i]);
		CHECK_EQ(s->size, sizes[i]);
		CHECK_EQ(s->peer, cmdline_number("peer", 0));
		CHECK_EQ(pci_read(s->bdf, 8, 4), 0x05000001);
		CHECK_EQ(pci_read(s->bdf, INT_PIN, 1), !is_service);
	}
	CHECK_EQ(pci_read(region[0].bdf, 0x0e, 1), 0x80);
	CHECK_EQ(pci_find(SHM_PCI_ID, 0, REGIONS), 0xffff);
	CHECK_EQ(pci_read((uint16_t)(region[0].bdf + REGIONS), 0, 4), ~0U);
	return true;
}

static bool content(void)
{
	volatile uint64_t *p = at(base_of(&region[WIDE]));

	for (uint64_t i = 0; i < WIDE_SIZE / 8; i += 64)
		CHECK_EQ(p[i], 0); /* scrubbed */
	for (uint64_t i = 0; i < WIDE_SIZE / 8; i += 64)
		p[i] = i * STEP;
	for (uint64_t i = 0; i < WIDE_SIZE / 8; i += 64)
		CHECK_EQ(p[i], i * STEP);
	return true;
}

static bool read_only(void)
{
	volatile uint64_t *p = at(base_of(&region[READ]));

	sti(); /* others on this CPU get their turn on Bochs, too */
	while (__atomic_load_n(p, __ATOMIC_ACQUIRE) != STEP)
		pause(); /* the keeper writes the first word last */
	cli();
	for (uint64_t i = 0; i < READ_SIZE / 8; i++)
		CHECK_EQ(p[i], (i + 1) * STEP);
	return true;
}

/* The emulator copies between a device and the region: registers have no content of their own, so the table it is. */
static bool strings(void)
{
	struct shm *s = &region[SMALL];
	volatile uint32_t *p = (volatile uint32_t *)s->memory;
	void *to = (void *)s->memory, *from = (void *)s->table;
	uint64_t n = 8;

	s->table[0] = 0x12345678;
	s->table[2] = 0x9abcdef0;
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	CHECK_EQ(p[0], 0x12345678);
	CHECK_EQ(p[2], 0x9abcdef0);
	p[4] = 0x11223344;
	to = (void *)s->table;
	from = (void *)&p[4];
	n = 1;
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	CHECK_EQ(s->table[0], 0x11223344);
	return true;
}

/* The region follows its BAR; where it was there is nothing. */
static bool moves(void)
{
	const struct shm *s = &region[WIDE];
	uint64_t old = base_of(s), now = old;

	at(old)[0] = STEP;
	at(old)[WIDE_SIZE / 8 - 1] = ~STEP;
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t before = now;

		now -= WIDE_SIZE;
		bar_write(s, 2, now);
		CHECK_EQ(at(now)[0], STEP);
		CHECK_EQ(at(now)[WIDE_SIZE / 8 - 1], ~STEP);
		CHECK(nobody(before));
	}
	bar_write(s, 2, old);
	CHECK_EQ(at(old)[0], STEP);
	bar_write(s, 0, (uint64_t)now);
	CHECK_EQ(at(now)[1] & 0xffffffff, s->peer);
	CHECK(nobody((uint64_t)s->regs));
	bar_write(s, 0, (uint64_t)s->regs);
	CHECK_EQ(s->regs[SHM_POSITION], s->peer);
	return true;
}

static bool decoding(void)
{
	const struct shm *s = &region[WIDE];

	pci_write(s->bdf, PCI_COMMAND, 2, COMMAND_OFF);
	CHECK(nobody((uint64_t)s->regs));
	CHECK(nobody(base_of(s)));
	pci_write(s->bdf, PCI_COMMAND, 2, PCI_COMMAND_MEM);
	CHECK_EQ(s->regs[SHM_POSITION], s->peer);
	CHECK_EQ(at(base_of(s))[0], STEP);
	return true;
}

/* Over RAM, over chips, at the end of everything: the BAR answers nowhere, and what was there goes on. */
static bool bad_places(void)
{
	static const uint64_t places[] = {
		0,
		0x400000,
		0x100000000,
		0xfec00000,
		0xfee00000,
		0xffc00000,
		0x8000000000,
		0xfffffffffffff000,
		0xffffffff00000000,
		0xb0000000,
		0x7ffffffff000,
	};
	const struct shm *s = &region[WIDE];
	uint64_t old = base_of(s), id = apic_id();
	uint32_t io = ioapic_read(IOAPIC_PAGE, 1);

	for (uint32_t i = 0; i < ARRAY_SIZE(places); i++) {
		for (uint32_t n = 0; n < 3; n++) {
			uint64_t was = n == 2	? old
				       : n == 1 ? (uint64_t)s->table
						: (uint64_t)s->regs;

			bar_write(s, n, places[i]);
			CHECK_EQ(apic_id(), id);
			CHECK_EQ(ioapic_read(IOAPIC_PAGE, 1), io);
			CHECK(n == 2 ? nobody(old) : at(old)[0] == STEP);
			bar_write(s, n, was);
		}
	}
	CHECK_EQ(at(old)[0], STEP);
	CHECK_EQ(s->regs[SHM_POSITION], s->peer);
	return true;
}

/* One over the other: the first stays, the second appears when it has room. */
static bool overlaps(void)
{
	const struct shm *wide = &region[WIDE], *small = &region[SMALL];
	uint64_t first = base_of(wide), second = base_of(small);

	at(second)[0] = 7;
	bar_write(small, 2, first);
	CHECK_EQ(at(first)[0], STEP);
	CHECK(at(second)[0] != 7);
	bar_write(small, 2, (uint64_t)small->regs); /* over its own registers */
	CHECK_EQ(small->regs[SHM_POSITION], small->peer);
	bar_write(small, 2, first);
	bar_write(wide, 2, first - WIDE_SIZE);
	CHECK_EQ(at(first)[0], 7);
	CHECK_EQ(at(first - WIDE_SIZE)[0], STEP);
	bar_write(wide, 2, first);
	CHECK_EQ(at(first)[0], 7);
	bar_write(small, 2, second);
	CHECK_EQ(at(second)[0], 7);
	CHECK_EQ(at(first)[0], STEP);
	return true;
}

/* --- doorbells that the VM rings itself --- */

static volatile uint32_t came;

static void on_interrupt(struct trap_frame *f)
{
	(void)f;
	came++;
	apic_eoi();
}

static void msix(const struct shm *s, uint32_t bits)
{
	pci_write(s->bdf, (uint16_t)(pci_capability(s->bdf, PCI_CAP_MSIX) + MSIX_CONTROL), 2, bits);
}

/* Time enough for whatever is pending; TCG looks at interrupts only now and then. */
static void take(void)
{
	sti();
	for (uint32_t i = 0; i < 10; i++)
		pause();
	cli();
}

static bool messages(void)
{
	struct shm *s = &region[BELL];

	trap_handler(VECTOR, on_interrupt);
	came = 0;
	shm_vector(s, 3, VECTOR);
	shm_ring(s, s->peer, 3);
	take();
	CHECK_EQ(came, 1);
	s->table[4 * 3 + 3] = 1;
	for (uint32_t i = 0; i < 100; i++)
		shm_ring(s, s->peer, 3);
	take();
	CHECK_EQ(came, 1);
	CHECK_EQ(s->table[PBA], 8);
	s->table[4 * 3 + 3] = 0;
	take();
	CHECK_EQ(came, 2);
	CHECK_EQ(s->table[PBA], 0);
	msix(s, MSIX_ENABLE | MSIX_ALL);
	shm_ring(s, s->peer, 3);
	take();
	CHECK_EQ(came, 2);
	msix(s, MSIX_ENABLE);
	take();
	CHECK_EQ(came, 3);
	/* nobody */
	shm_ring(s, s->peer, SHM_VECTORS);
	shm_ring(s, s->peer, 0xffff);
	shm_ring(s, 0xffff, 3);
	shm_ring(s, 63, 3);
	take();
	CHECK_EQ(came, 3);
	msix(s, 0);
	return true;
}

/* Whatever the message is, it is this VM's own matter. INIT, SMI and NMI apart, this guest lives through it. */
static bool odd_messages(void)
{
	struct shm *s = &region[BELL];

	shm_vector(s, 0, VECTOR);
	for (uint32_t i = 0; i < 2000; i++) {
		s->table[0] = i & 1 ? (uint32_t)random64()
				    : 0xfee00000 | ((uint32_t)random64() & 0xff00c);
		s->table[1] = i & 3 ? 0 : (uint32_t)random64();
		s->table[2] = ((uint32_t)random64() & 0xffffe8ff) | 0x20;
		shm_ring(s, s->peer, 0);
		take();
	}
	msix(s, 0);
	return true;
}

static uint32_t pic_sees(uint32_t irq)
{
	out8(PIC_SLAVE, PIC_READ_IRR);
	return in8(PIC_SLAVE) >> (irq - 8) & 1;
}

/* It comes again after each EOI, until the status has been read. */
static void on_wire(struct trap_frame *f)
{
	(void)f;
	if (++came == 3)
		(void)region[SMALL].regs[SHM_STATUS];
	apic_eoi();
}

/* INTA at the I/O APIC, level-triggered, and at the 8259. */
static bool wire(void)
{
	struct shm *s = &region[BELL], *other = &region[SMALL];
	uint32_t irq = pci_read(s->bdf, INT_LINE, 1), rte = 0x10 + 2 * irq;

	trap_handler(VECTOR + 1, on_wire);
	came = 0;
	(void)s->regs[SHM_STATUS];
	shm_ring(s, s->peer, 0);
	CHECK_EQ(pic_sees(irq), 0);
	s->regs[SHM_MASK] = 1;
	CHECK_EQ(pic_sees(irq), 1);
	other->regs[SHM_MASK] = 1;
	shm_ring(other, other->peer, 0);
	CHECK_EQ(s->regs[SHM_STATUS], 1);
	CHECK_EQ(pic_sees(irq), 1); /* the other's still */
	ioapic_write(IOAPIC_PAGE, rte + 1, apic_id() << 24);
	ioapic_write(IOAPIC_PAGE, rte, IOAPIC_LEVEL | IOAPIC_LOW | (VECTOR + 1));
	take();
	CHECK_EQ(came, 3);
	take();
	CHECK_EQ(came, 3);
	CHECK_EQ(pic_sees(irq), 0);
	ioapic_write(IOAPIC_PAGE, rte, IOAPIC_MASK);
	return true;
}

static const struct test_case cases[] = {
	{"identity",     identity    },
	{"content",	    content	   },
	{"read-only",    read_only   },
	{"strings",	    strings	   },
	{"moves",	  moves       },
	{"decoding",     decoding    },
	{"bad-places",   bad_places	 },
	{"overlaps",     overlaps    },
	{"messages",     messages    },
	{"odd-messages", odd_messages},
	{"wire",	 wire	     },
};

/* --- the others --- */

static uint32_t keeper(void)
{
	volatile uint64_t *p = at(base_of(&region[READ]));
	volatile uint64_t *done = at(base_of(&region[SMALL]));

	for (uint64_t i = READ_SIZE / 8; i-- > 0;)
		p[i] = (i + 1) * STEP;
	sti();
	while (__atomic_load_n(&done[1], __ATOMIC_ACQUIRE) != STEP)
		pause();
	return 0;
}

/* For a while: how many doorbells come, all vectors open. Then the flood may end. */
static uint32_t listen(void)
{
	struct shm *s = &region[SMALL];
	uint64_t end;

	if (!clock_start())
		return 255;
	trap_handler(VECTOR, on_interrupt);
	for (uint32_t n = 0; n < SHM_VECTORS; n++)
		shm_vector(s, n, VECTOR);
	end = clock_ns() + cmdline_number("ms", 1000) * 1000000;
	sti();
	while (clock_ns() < end)
		pause();
	cli();
	print("shared: %u doorbells\n", came);
	__atomic_store_n(&at(base_of(s))[1], STEP, __ATOMIC_RELEASE);
	return came == 0;
}

/* Until the peer says that it is enough: rings as fast as can be. */
static uint32_t flood(void)
{
	volatile uint64_t *done = at(base_of(&region[SMALL]));
	uint64_t rings = 0;

	for (; __atomic_load_n(&done[1], __ATOMIC_ACQUIRE) != STEP; rings++)
		shm_ring(&region[SMALL], (uint32_t)rings & 3, (uint32_t)(rings >> 2) & 15);
	print("shared: %lu rings\n", rings);
	return rings == 0;
}

/* Random accesses to everything that belongs to the functions, and rings. */
static uint32_t fuzz(void)
{
	uint64_t rounds = cmdline_number("rounds", 20000);

	random_state += cmdline_number("seed", 1);
	for (uint64_t i = 0; i < rounds; i++) {
		const struct shm *s = &region[random64() % REGIONS];
		uint64_t r = random64();
		uint16_t reg = (uint16_t)(4 + r % 0x50);

		switch (r >> 32 & 7) {
		case 0:
			pci_write(s->bdf, reg, (uint8_t)(1U << (r >> 40 & 1)),
				  (uint32_t)random64());
			break;
		case 1: /* a BAR, in the hole mostly */
			bar_write(s, (uint32_t)(r >> 36 & 3) % 3,
				  (0xc0000000 | (random64() & 0x3ffff000)) +
					  (r >> 48 & 1 ? 0x100000000 : 0));
			break;
		case 2:
			pci_write(s->bdf, PCI_COMMAND, 2, (uint32_t)(r >> 40 | 2));
			break;
		case 3: /* modes that would end this VM are left out */
			s->table[r % 32] = r % 4 == 2 ? ((uint32_t)random64() & 0xffffe8ff) | 0x20
						      : (uint32_t)random64();
			break;
		case 4:
			msix(s, (uint32_t)(r >> 40));
			break;
		default:
			s->regs[r >> 40 & 3] = (uint32_t)(random64() & 0x3000f);
			(void)s->regs[r >> 42 & 3];
			break;
		}
		if (r % 1000 == 0)
			take();
	}
	return 0;
}

static uint32_t write_read_only(void)
{
	at(base_of(&region[READ]))[1] = 1;
	return 1;
}

static uint32_t run_code(void)
{
	volatile uint8_t *code = region[WIDE].memory;

	code[0] = 0xc3; /* RET */
	((void (*)(void))code)();
	return 1;
}

static const struct {
	const char *name;
	uint32_t (*go)(void);
} roles[] = {
	{"keeper",   keeper	 },
	{"listen",   listen	 },
	{"flood",	  flood	       },
	{"fuzz",	 fuzz	     },
	{"write-ro", write_read_only},
	{"run",	run_code	},
};

uint32_t guest_main(void)
{
	const char *role;

	for (uint32_t i = 0; i < REGIONS; i++) {
		if (!shm_open(&region[i], names[i]) && i == SMALL) {
			print("shared: there is no region\n");
			return 255;
		}
	}
	is_service = cmdline_number("service", 0);
	apic_enable();
	role = cmdline_word("role");
	for (uint32_t i = 0; role && i < ARRAY_SIZE(roles); i++) {
		if (list_has(role, roles[i].name))
			return roles[i].go();
	}
	cases_run(cases, ARRAY_SIZE(cases));
	__atomic_store_n(&at(base_of(&region[SMALL]))[1], STEP, __ATOMIC_RELEASE);
	return cases_bad();
}
