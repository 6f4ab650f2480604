/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared-memory function, ivshmem's: QEMU, docs/specs/ivshmem-spec. */

#include "lib/shm.h"
#include "lib/apic.h"
#include "lib/pci.h"

#define CAP_VENDOR   0x09
#define CAP_RIGHTS   3
#define CAP_NAME     4
#define MSIX_CONTROL 2
#define MSIX_ENABLE  0x8000
#define BAR_MEMORY   2

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* How many bytes a BAR decodes: what cannot be set in it (PCI 3.0, 6.2.5.1). */
static uint64_t bar_size(uint16_t bdf, uint32_t n)
{
	uint16_t reg = (uint16_t)(PCI_BAR0 + 4 * n);
	uint32_t old = pci_read(bdf, reg, 4), command = pci_read(bdf, PCI_COMMAND, 2), mask;

	pci_write(bdf, PCI_COMMAND, 2, command & ~(uint32_t)PCI_COMMAND_MEM);
	pci_write(bdf, reg, 4, ~0U);
	mask = pci_read(bdf, reg, 4) & ~0xfU;
	pci_write(bdf, reg, 4, old);
	pci_write(bdf, PCI_COMMAND, 2, command);
	return mask & -mask;
}

static void read_name(struct shm *s)
{
	uint8_t cap = pci_capability(s->bdf, CAP_VENDOR);

	s->rights = (uint8_t)pci_read(s->bdf, (uint16_t)(cap + CAP_RIGHTS), 1);
	for (uint32_t i = 0; i < sizeof(s->name); i++)
		s->name[i] = (char)pci_read(s->bdf, (uint16_t)(cap + CAP_NAME + i), 1);
}

bool shm_open(struct shm *s, const char *name)
{
	uint32_t n = 0;

	do {
		s->bdf = pci_find(SHM_PCI_ID, 0, n++);
		if (s->bdf == 0xffff)
			return false;
		read_name(s);
	} while (name && !same(name, s->name));
	s->regs = (volatile uint32_t *)pci_bar(s->bdf, 0);
	s->table = (volatile uint32_t *)pci_bar(s->bdf, 1);
	s->memory = (volatile uint8_t *)pci_bar(s->bdf, BAR_MEMORY);
	s->size = s->memory ? bar_size(s->bdf, BAR_MEMORY) : 0;
	s->peer = s->regs[SHM_POSITION];
	return true;
}

void shm_vector(struct shm *s, uint32_t n, uint8_t vector)
{
	uint16_t control = (uint16_t)(pci_capability(s->bdf, PCI_CAP_MSIX) + MSIX_CONTROL);

	s->table[4 * n] = (uint32_t)APIC_PAGE | apic_id() << 12;
	s->table[4 * n + 1] = 0;
	s->table[4 * n + 2] = vector;
	s->table[4 * n + 3] = 0; /* not masked */
	pci_write(s->bdf, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	pci_write(s->bdf, control, 2, MSIX_ENABLE);
}

void shm_ring(const struct shm *s, uint32_t peer, uint32_t n)
{
	s->regs[SHM_DOORBELL] = peer << 16 | n;
}
