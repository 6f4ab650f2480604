/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's second life: memory zeroed, image written again, devices and vCPUs as after power-up. */

#include "vm/restart.h"
#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "vm/board.h"
#include "vm/devices.h"
#include "vm/gmem.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/platform.h"
#include "vm/shm.h"
#include "vm/xstate.h"

/* One thing that the loader did: copied from a boot module (@read), wrote @data, or, with neither, zeroed. */
struct piece {
	uint64_t gpa, len;
	uint8_t *to; /* where else than at gpa: a page of the service guest's that is not its own */
	int (*read)(void *arg, uint64_t off, void *buf, uint32_t len);
	void *arg;
	uint64_t off;
	const uint8_t *data;
};

/* Frames of the list: the service guest has the firmware's tables, too. */
#define FRAMES	       1
#define FRAMES_SERVICE 4

struct vm_image_head {
	struct vm *vm;
	uint64_t gpr[GPR_COUNT];
	struct guest_state state; /* of vCPU 0 */
	uint32_t count, max;	  /* of pieces */
	/* where the restart is: devices reset, offset in RAM up to which it is scrubbed, piece, bytes of it */
	bool devices_done, scrub_done;
	uint64_t scrubbed;
	uint32_t piece;
	uint64_t done;
	uint64_t longest;   /* step, in TSC ticks */
	struct timer timer; /* until a device is ready */
};

/* In frames of the VM's quota. */
struct vm_image {
	struct vm_image_head h;
	struct piece pieces[];
};

/* --- what the loader does; boot --- */

static struct load_target inner INITDATA;
static uint8_t *data_at INITDATA;
static uint32_t data_left INITDATA;

static INIT int piece_add(struct vm *vm, const struct piece *p)
{
	struct vm_image_head *h = &vm->image->h;

	if (h->count == h->max)
		return -ENOSPC;
	vm->image->pieces[h->count++] = *p;
	return 0;
}

/* Bytes that follow those of the last piece, here and in the guest, belong to it. */
static INIT int data_add(struct vm *vm, uint64_t gpa, uint8_t *to, uint32_t len)
{
	struct vm_image_head *h = &vm->image->h;
	struct piece *last = h->count ? &vm->image->pieces[h->count - 1] : NULL;
	const struct piece p = {.gpa = gpa, .len = len, .to = to, .data = data_at};

	if (last && last->data && !last->to && !to && last->gpa + last->len == gpa &&
	    last->data + last->len == data_at)
		last->len += len;
	else if (piece_add(vm, &p))
		return -ENOSPC;
	data_at += len;
	data_left -= len;
	return 0;
}

/* A copy of @buf is what will be written. */
static INIT int data_keep(struct vm *vm, uint64_t gpa, uint8_t *to, const uint8_t *buf,
			  uint32_t len)
{
	int err = 0;

	for (uint32_t done = 0; done < len && !err;) {
		uint32_t n;

		if (!data_left) {
			data_at = pool_alloc(&vm->quota, 1, NULL);
			data_left = data_at ? PAGE_SIZE : 0;
		}
		n = (uint32_t)min_u64(len - done, data_left);
		if (!n)
			return -ENOMEM;
		memcpy(data_at, buf + done, n);
		err = data_add(vm, gpa + done, to ? to + done : NULL, n);
		done += n;
	}
	return err;
}

static INIT int record_write(void *arg, gpa_t gpa, const void *buf, uint32_t len)
{
	int err = inner.write(arg, gpa, buf, len);

	return err ? err : data_keep(arg, gpa.v, NULL, buf, len);
}

INIT int restart_keep_page(struct vm *vm, uint64_t gpa, uint8_t *page)
{
	const uint8_t *from = page ? page : guest_map(vm, gpa, false);

	return from ? data_keep(vm, gpa, page, from, PAGE_SIZE) : -EFAULT;
}

static INIT int record_copy(void *arg, gpa_t gpa, uint64_t off, uint64_t len,
			    const struct image *from)
{
	struct piece p = {
		.gpa = gpa.v, .len = len, .read = from->read, .arg = from->arg, .off = off};
	int err = inner.copy(arg, gpa, off, len, from);

	return err || !len ? err : piece_add(arg, &p);
}

static INIT int record_zero(void *arg, gpa_t gpa, uint64_t len)
{
	int err = inner.zero(arg, gpa, len);

	return err || !len ? err : piece_add(arg, &(struct piece){.gpa = gpa.v, .len = len});
}

static void device_ready(struct timer *t);

INIT int restart_record(struct vm *vm, struct load_target *target)
{
	uint32_t frames = vm->service ? FRAMES_SERVICE : FRAMES;

	vm->image = pool_alloc(&vm->quota, frames, NULL);
	if (!vm->image)
		return -ENOMEM;
	vm->image->h.max =
		(uint32_t)((frames * PAGE_SIZE - sizeof(*vm->image)) / sizeof(struct piece));
	vm->image->h.timer.fn = device_ready;
	inner = *target;
	data_left = 0;
	target->write = record_write;
	target->copy = record_copy;
	target->zero = record_zero;
	return 0;
}

INIT void restart_keep(struct vm *vm, const struct load_result *result)
{
	memcpy(vm->image->h.gpr, result->gpr, sizeof(result->gpr));
	vm->image->h.state = result->state;
}

/* --- the restart, step by step --- */

/* At most a page of the piece that is due. */
static int piece_step(struct vm *vm)
{
	struct vm_image_head *h = &vm->image->h;
	const struct piece *p = &vm->image->pieces[h->piece];
	uint64_t gpa = p->gpa + h->done;
	uint32_t n = (uint32_t)min_u64(p->len - h->done, PAGE_SIZE - (gpa & PAGE_MASK));
	void *to = p->to ? p->to + h->done : guest_map(vm, gpa, true);
	int err = 0;

	if (!to)
		return -EFAULT;
	if (p->read)
		err = p->read(p->arg, p->off + h->done, to, n);
	else if (p->data)
		memcpy(to, p->data + h->done, n);
	else
		memset(to, 0, n);
	h->done += n;
	if (h->done == p->len) {
		h->done = 0;
		h->piece++;
	}
	return err;
}

static void devices_reset(struct vm *vm)
{
	lock_acquire(&vm->uart_lock);
	vuart_reset(&vm->uart);
	lock_release(&vm->uart_lock);
	lock_acquire(&vm->irq_lock);
	vpit_reset(&vm->pit);
	vpic_init(&vm->pic, &vm->host, vm);
	vpic_firmware(&vm->pic);
	irq_ioapics_reset(vm);
	lock_release(&vm->irq_lock);
	vlapic_lint(&vm->vcpu[0]->lapic, 0, false);
	mtrr_vm_init(vm);
	if (!vm->service)
		board_reset(vm);
	shm_reset(vm);
	lock_acquire(&vm->power_lock);
	vpower_reset(&vm->power);
	lock_release(&vm->power_lock);
}

static void device_ready(struct timer *t)
{
	struct vm_image_head *h = container_of(t, struct vm_image_head, timer);

	work_start(&h->vm->work);
}

/* 1: go on; 0: not before the timer; or an error. */
static int devices_due(struct vm *vm)
{
	struct vm_image_head *h = &vm->image->h;
	uint32_t wait_us = 0;
	int more = devices_step(vm, &wait_us);

	h->devices_done = !more;
	if (more < 0)
		return more;
	if (!wait_us)
		return 1;
	timer_set(&h->timer, tsc_read() + wait_us * tsc_khz / 1000);
	return 0;
}

static int scrub_due(struct vm *vm)
{
	int more = memory_scrub(vm, &vm->image->h.scrubbed);

	vm->image->h.scrub_done = !more;
	return more < 0 ? more : 1;
}

static bool step_due(struct vm *vm)
{
	struct vm_image_head *h = &vm->image->h;
	int more = 1;

	if (!h->devices_done) {
		more = devices_due(vm);
	} else if (!h->scrub_done) {
		more = scrub_due(vm);
	} else if (h->piece < h->count) {
		more = piece_step(vm);
		more = more ? more : 1;
	} else {
		devices_reset(vm);
		atomic_store_u32(&vm->busy, vm->vcpu_count);
		for (uint32_t i = 0; i < vm->vcpu_count; i++)
			vcpu_raise(vm->vcpu[i], EV_RESET);
		return false;
	}
	if (more < 0 && h->devices_done)
		log_error("vm %s: stays stopped: its memory cannot be filled again (%d)", vm->name,
			  more);
	if (more < 0)
		vm_given_up(vm);
	return more > 0;
}

static bool restart_step(struct sched_entity *e)
{
	struct vm *vm = container_of(e, struct vm, work);
	uint64_t begin = tsc_read();
	bool more = step_due(vm);

	vm->image->h.longest = max_u64(vm->image->h.longest, tsc_read() - begin);
	return more;
}

void restart_begin(struct vm *vm)
{
	struct vm_image_head *h = &vm->image->h;

	h->vm = vm;
	h->devices_done = !vm->service;
	h->scrub_done = false;
	h->scrubbed = 0;
	h->piece = 0;
	h->done = 0;
	if (vm->service)
		devices_begin(true);
	vm->work.step = restart_step;
	vm->work.cpu = vm->vcpu[0]->cpu;
	work_start(&vm->work);
}

/* --- its vCPUs, each on its own CPU --- */

static void vcpu_renew(struct vcpu *v)
{
	void *ctl = v->arch.ctl;
	hpa_t pa = v->arch.ctl_pa;

	virt->vcpu_put(&v->arch);
	memset(&v->arch, 0, sizeof(v->arch));
	memset(ctl, 0, (1 + virt->vcpu_frames) * PAGE_SIZE);
	virt->vcpu_init(&v->arch, &v->vm->arch, ctl, pa);
	v->arch.flush = true;
	v->clock_msr = 0;
	v->steal.msr = 0;
	v->wall_msr = 0;
	v->tsc_aux = 0;
	v->fetch.page = ~0ULL;
	xstate_reset(v);
	vcpu_reset(v);
}

void restart_vcpu(struct vcpu *v)
{
	struct vm *vm = v->vm;

	vcpu_renew(v);
	if (v->id == 0) {
		vlapic_firmware(&v->lapic);
		memcpy(v->arch.gpr, vm->image->h.gpr, sizeof(v->arch.gpr));
		virt->set_state(&v->arch, &vm->image->h.state);
	}
	virt->vcpu_load(&v->arch);
	xstate_load(v);
	vcpu_state_set(v, VCPU_WAIT_SIPI);
	if (atomic_add_u32(&vm->busy, ~0U) != 1)
		return;
	vm->restarts++;
	if (vm->loud)
		log_info("vm %s: restart %u, %u frames", vm->name, vm->restarts, vm->quota.used);
	log_debug("vm %s: longest step of its restarts: %lu ticks", vm->name, vm->image->h.longest);
	lock_acquire(&vm->life_lock);
	atomic_store_bool(&vm->ended, false);
	lock_release(&vm->life_lock);
	vcpu_raise(vm->vcpu[0], EV_START);
}
