/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-signalled interrupts of physical devices. */

#include "vm/msi.h"
#include "arch/irq.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "vm/irq.h"

#define MSI_ADDRESS    0xfee00000ULL
#define MSI_DEST_SHIFT 12

/*
 * While a guest moves a source to another CPU both host vectors are bound, until the new one has fired: a message
 * sent to the old one meanwhile is not lost.
 */
struct msi_source {
	struct irq_source vector[2];
	struct vm *vm; /* NULL: free */
	uint64_t addr;
	uint32_t data;
	uint8_t active;
};

static struct msi_source *sources;
static uint32_t source_count;

/* Taken in interrupts, and inside the VM's PCI lock. */
static struct lock lock;

static void fire(struct msi_source *s, uint32_t which)
{
	struct vm *vm;
	uint64_t addr;
	uint32_t data;

	lock_acquire(&lock);
	if (which == s->active)
		irq_unbind(&s->vector[which ^ 1]);
	vm = s->vm;
	addr = s->addr;
	data = s->data;
	lock_release(&lock);
	if (vm)
		irq_message(vm, addr, data);
}

static void fire_0(struct irq_source *v)
{
	fire(container_of(v, struct msi_source, vector[0]), 0);
}

static void fire_1(struct irq_source *v)
{
	fire(container_of(v, struct msi_source, vector[1]), 1);
}

INIT int msi_init(struct vm *vm, uint32_t count)
{
	uint32_t frames = (uint32_t)(ALIGN_UP(count * sizeof(*sources), PAGE_SIZE) / PAGE_SIZE);

	sources = pool_alloc(&vm->quota, frames, NULL);
	source_count = (uint32_t)(frames * PAGE_SIZE / sizeof(*sources));
	return sources ? 0 : -ENOMEM;
}

static struct msi_source *source_take(struct vm *vm, uint32_t *cookie)
{
	if (*cookie)
		return &sources[*cookie - 1];
	for (uint32_t i = 0; i < source_count; i++) {
		struct msi_source *s = &sources[i];

		if (s->vm)
			continue;
		s->vm = vm;
		s->vector[0].fn = fire_0;
		s->vector[1].fn = fire_1;
		*cookie = i + 1;
		return s;
	}
	return NULL;
}

static void source_release(struct msi_source *s, uint32_t *cookie)
{
	irq_unbind(&s->vector[0]);
	irq_unbind(&s->vector[1]);
	s->vm = NULL;
	*cookie = 0;
}

static int source_bind(struct vm *vm, uint32_t *cookie, uint64_t addr, uint32_t data,
		       uint64_t *phys_addr, uint32_t *phys_data)
{
	struct msi_source *s = source_take(vm, cookie);
	struct cpu *cpu = irq_message_cpu(vm, addr);

	if (!s)
		return -ENOSPC;
	s->addr = addr;
	s->data = data;
	if (s->vector[s->active].cpu != cpu) {
		uint8_t other = s->active ^ 1;

		irq_unbind(&s->vector[other]);
		if (!irq_bind(&s->vector[other], cpu))
			s->active = other;
		else if (!s->vector[s->active].cpu) {
			source_release(s, cookie);
			return -ENOSPC;
		}
	}
	*phys_addr = MSI_ADDRESS | (uint64_t)s->vector[s->active].cpu->apic_id << MSI_DEST_SHIFT;
	*phys_data = s->vector[s->active].vector;
	return 0;
}

int msi_bind(struct vm *vm, uint32_t *cookie, uint64_t addr, uint32_t data, uint64_t *phys_addr,
	     uint32_t *phys_data)
{
	int err;

	lock_acquire(&lock);
	err = source_bind(vm, cookie, addr, data, phys_addr, phys_data);
	lock_release(&lock);
	return err;
}

void msi_unbind(struct vm *vm, uint32_t *cookie)
{
	(void)vm;
	if (!*cookie)
		return;
	lock_acquire(&lock);
	source_release(&sources[*cookie - 1], cookie);
	lock_release(&lock);
}
