/* SPDX-License-Identifier: BSD-2-Clause */
/* Nested faults and string I/O: the instruction is fetched, decoded and executed here, on devices or memory. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/log.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vm/gmem.h"
#include "vm/memory.h"
#include "vm/platform.h"
#include "vm/shm.h"
#include "vm/vm.h"

/* Elements of a repeated string instruction done at one exit. */
#define ITERATIONS 64

/* --- devices --- */

/* Nobody is there: reads give ones, writes are lost, as on a bus. */
static void device_access(struct vcpu *v, uint64_t gpa, uint8_t size, bool write, uint64_t *value)
{
	const struct mmio_range *r;

	r = mmio_find(v->vm, gpa);
	if (r && gpa + size - 1 <= r->last) {
		r->fn(v, r->arg, gpa, size, write, value);
		return;
	}
	if (!r && v->vm->shm && shm_access(v, gpa, size, write, value))
		return;
	if (!r && v->vm->service && platform_mmio(v->vm, gpa, size, write, value))
		return;
	if (!write)
		*value = ~0ULL;
}

/* --- the emulator's view of memory --- */

static enum emu_result page_fault(struct vcpu *v, uint64_t gva, uint32_t error)
{
	virt->set_cr(&v->arch, 2, gva);
	vcpu_exception(v, EXC_PF, true, error);
	return EMU_FAULT;
}

/* One page's part of an access: where it is in guest-physical memory. */
static enum emu_result part_translate(struct vcpu *v, uint64_t gva, uint32_t access, uint64_t *gpa)
{
	uint32_t error;
	int err = gva_translate(v, gva, access, gpa, &error);

	if (!err)
		return EMU_DONE;
	if (err == -EFAULT)
		return page_fault(v, gva, error);
	return EMU_STOP;
}

struct parts {
	uint64_t gpa[2];
	uint32_t len[2];
};

/* Both pages are translated before either is touched. */
static enum emu_result parts_translate(struct vcpu *v, uint64_t gva, uint32_t size, uint32_t access,
				       struct parts *p)
{
	uint32_t first = (uint32_t)min_u64(size, PAGE_SIZE - (gva & PAGE_MASK));
	uint64_t known = v->arch.exit.info.npf.gpa.v;
	bool walked = v->gpa_known &&
		      (!(access & GWALK_WRITE) || v->arch.exit.info.npf.access & NPF_WRITE);
	enum emu_result r;

	p->len[0] = first;
	p->len[1] = size - first;
	/* The processor has just walked there for this very access. (QEMU: the read of what is to be written comes first.) */
	if (walked && first == size && !((known ^ gva) & PAGE_MASK)) {
		p->gpa[0] = known;
		return EMU_DONE;
	}
	r = part_translate(v, gva, access, &p->gpa[0]);
	if (r != EMU_DONE || first == size)
		return r;
	return part_translate(v, gva + first, access, &p->gpa[1]);
}

static void part_copy(struct vcpu *v, uint64_t gpa, uint32_t len, uint8_t *buf, bool write)
{
	uint8_t *ram = guest_map(v->vm, gpa, write);

	if (!ram && v->vm->shm && shm_fault(v, gpa, 0))
		ram = guest_map(v->vm, gpa, write);
	if (ram) {
		if (write)
			memcpy(ram, buf, len);
		else
			memcpy(buf, ram, len);
		return;
	}
	/* Devices see naturally sized pieces. */
	while (len) {
		uint8_t n = (uint8_t)(len >= 8 ? 8 : len >= 4 ? 4 : len >= 2 ? 2 : 1);
		uint64_t value = 0;

		if (write)
			memcpy(&value, buf, n);
		device_access(v, gpa, n, write, &value);
		if (!write)
			memcpy(buf, &value, n);
		gpa += n;
		buf += n;
		len -= n;
	}
}

static uint32_t access_of(uint32_t flags, bool write)
{
	return write || flags & EMU_MEM_WRITE ? GWALK_WRITE : 0;
}

static enum emu_result mem_access(struct vcpu *v, uint64_t gva, uint32_t size, uint8_t *buf,
				  uint32_t flags, bool write)
{
	struct parts p = {0};
	enum emu_result r = parts_translate(v, gva, size, access_of(flags, write), &p);

	if (r != EMU_DONE)
		return r;
	part_copy(v, p.gpa[0], p.len[0], buf, write);
	if (p.len[1])
		part_copy(v, p.gpa[1], p.len[1], buf + p.len[0], write);
	return EMU_DONE;
}

static enum emu_result mem_read(void *ctx, gva_t gva, uint32_t size, void *buf, uint32_t flags)
{
	return mem_access(ctx, gva.v, size, buf, flags, false);
}

static enum emu_result mem_write(void *ctx, gva_t gva, uint32_t size, const void *buf,
				 uint32_t flags)
{
	return mem_access(ctx, gva.v, size, (uint8_t *)(uintptr_t)buf, flags, true);
}

static enum emu_result mem_check(void *ctx, gva_t gva, uint32_t size)
{
	struct parts p;

	return parts_translate(ctx, gva.v, size, GWALK_WRITE, &p);
}

/* In RAM, naturally aligned: a real compare-and-exchange. Else it is a device, or a split lock nobody else can see. */
static enum emu_result mem_cmpxchg(void *ctx, gva_t gva, uint32_t size, const void *expected,
				   const void *desired)
{
	struct vcpu *v = ctx;
	struct parts p;
	enum emu_result r = parts_translate(v, gva.v, size, GWALK_WRITE, &p);
	uint64_t old = 0, new = 0;
	void *ram;
	bool done;

	if (r != EMU_DONE)
		return r;
	ram = p.len[1] ? NULL : guest_map(v->vm, p.gpa[0], true);
	if (!ram || size > 8 || gva.v & (size - 1))
		return mem_write(ctx, gva, size, desired, 0);
	memcpy(&old, expected, size);
	memcpy(&new, desired, size);
	switch (size) {
	case 1: {
		uint8_t o = (uint8_t)old;

		done = __atomic_compare_exchange_n((uint8_t *)ram, &o, (uint8_t) new, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		break;
	}
	case 2: {
		uint16_t o = (uint16_t)old;

		done = __atomic_compare_exchange_n((uint16_t *)ram, &o, (uint16_t) new, false,
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		break;
	}
	case 4:
		done = atomic_cmpxchg_u32(ram, (uint32_t)old, (uint32_t) new);
		break;
	default:
		done = atomic_cmpxchg_u64(ram, old, new);
		break;
	}
	return done ? EMU_DONE : EMU_AGAIN;
}

/* --- ports, for INS and OUTS --- */

static enum emu_result emu_io_in(void *ctx, uint16_t port, uint32_t size, uint32_t *value)
{
	*value = ~0U;
	port_access(ctx, port, (uint8_t)size, true, value);
	return EMU_DONE;
}

static enum emu_result emu_io_out(void *ctx, uint16_t port, uint32_t size, uint32_t value)
{
	struct vcpu *v = ctx;
	bool again;

	port_access(v, port, (uint8_t)size, false, &value);
	again = v->io_again;
	v->io_again = false;
	return again ? EMU_AGAIN : EMU_DONE;
}

/* --- registers --- */

static struct segment emu_seg(void *ctx, enum seg_reg seg)
{
	struct vcpu *v = ctx;

	return virt->get_seg(&v->arch, seg);
}

static void emu_fault(void *ctx, uint8_t vector, bool has_error, uint32_t error)
{
	vcpu_exception(ctx, vector, has_error, error);
}

/* The guest's SSE registers are live in this CPU's; FXSAVE's layout: XMM0 at 160 (SDM vol. 1, table 10-2). */
#define FX_SIZE 512
#define FX_XMM	160

static void xmm_read(void *ctx, uint32_t n, void *buf)
{
	uint8_t area[FX_SIZE] ALIGNED(16);

	(void)ctx;
	__asm__ volatile("fxsave64 %0" : "=m"(area));
	memcpy(buf, area + FX_XMM + (n & 15) * 16, 16);
}

static void xmm_write(void *ctx, uint32_t n, const void *buf)
{
	uint8_t area[FX_SIZE] ALIGNED(16);

	(void)ctx;
	__asm__ volatile("fxsave64 %0" : "=m"(area));
	memcpy(area + FX_XMM + (n & 15) * 16, buf, 16);
	__asm__ volatile("fxrstor64 %0" : : "m"(area));
}

static const struct emu_ops ops = {
	.get_seg = emu_seg,
	.mem_read = mem_read,
	.mem_write = mem_write,
	.mem_cmpxchg = mem_cmpxchg,
	.mem_check = mem_check,
	.io_in = emu_io_in,
	.io_out = emu_io_out,
	.xmm_read = xmm_read,
	.xmm_write = xmm_write,
	.fault = emu_fault,
};

/* --- exits --- */

static void emulate_stop(struct vcpu *v, const uint8_t *bytes, uint32_t n, const char *why)
{
	char text[INSN_MAX * 3 + 1] = "";

	for (uint32_t i = 0; i < n; i++)
		snprintf_(text + 3 * i, 4, " %02x", bytes[i]);
	vm_stop(v, "%s:%s", why, text);
}

/*
 * The usual case by far: a plain MOV of 4 or 8 bytes between a register and a device, in 64-bit mode, at the address
 * that the processor has just reported. True if it was done; all others take the emulator's way, with the same result.
 */
static bool mov_device(struct vcpu *v, const struct insn *i)
{
	const struct exit *x = &v->arch.exit;
	uint64_t gpa = x->info.npf.gpa.v, value, *reg;
	bool write = i->dst == OPND_RM || i->dst == OPND_MOFFS;
	uint8_t other = write ? i->src : i->dst, memory = write ? i->dst : i->src;

	if (!v->gpa_known || i->op != OP_MOV || i->mode != CPU_MODE_64 ||
	    i->dst_size != i->src_size || (i->dst_size != 4 && i->dst_size != 8) ||
	    !(i->flags & INSN_MEM) || gpa & (i->dst_size - 1U) ||
	    x->info.npf.access & NPF_PRESENT || i->prefixes & INSN_LOCK ||
	    (!mmio_find(v->vm, gpa) && !shm_is_device(v->vm, gpa)) ||
	    write != !!(x->info.npf.access & NPF_WRITE))
		return false;
	if ((memory != OPND_RM && memory != OPND_MOFFS) || (other != OPND_REG && other != OPND_ACC))
		return false;
	reg = &v->arch.gpr[other == OPND_ACC ? RAX : i->reg & 15];
	value = i->dst_size == 4 ? (uint32_t)*reg : *reg;
	device_access(v, gpa, i->dst_size, write, &value);
	if (!write)
		*reg = i->dst_size == 4 ? (uint32_t)value : value;
	v->arch.exit.len = i->length;
	v->arch.rflags &= ~RFLAGS_RF;
	vcpu_skip(v);
	return true;
}

static bool is_port_string(const struct insn *i)
{
	return i->op == OP_INS || i->op == OP_OUTS;
}

static void emulate_one(struct vcpu *v, const uint8_t *bytes, uint32_t n, enum cpu_mode mode)
{
	const struct insn *insn;
	struct emu_cpu cpu;
	int err = insn_decode_again(v, &insn, bytes, n, mode);

	if (err == -EINVAL) {
		vcpu_ud(v);
		return;
	}
	if (err) {
		emulate_stop(v, bytes, n, "an instruction that the emulator does not cover");
		return;
	}
	/* Another thread of the guest may have changed the bytes; only what exited by I/O has had its rights checked. */
	if (is_port_string(insn) != (v->arch.exit.kind == EXIT_IO) ||
	    (is_port_string(insn) && (uint16_t)v->arch.gpr[RDX] != v->arch.exit.info.io.port))
		return;
	v->gpa_known = v->arch.exit.kind == EXIT_NPF && !(insn->flags & (INSN_STRING | INSN_STACK));
	if (mov_device(v, insn))
		return;
	cpu = (struct emu_cpu){
		.gpr = v->arch.gpr,
		.rip = &v->arch.rip,
		.rflags = &v->arch.rflags,
		.cr0 = virt->get_cr(&v->arch, 0),
		.cr4 = virt->get_cr(&v->arch, 4),
		.cpl = virt->cpl(&v->arch),
		.max_iterations = ITERATIONS,
	};
	switch (emulate(&ops, v, &cpu, insn)) {
	case EMU_DONE:
		virt->shadow_clear(&v->arch);
		break;
	case EMU_AGAIN:
		break;
	case EMU_FAULT:
		return;
	default:
		emulate_stop(v, bytes, n, "an instruction that the emulator cannot run");
		return;
	}
	if (cpu.single_step)
		atomic_or_u64(&v->events, EV_STEP);
}

static void emulate_exit(struct vcpu *v, const uint8_t *bytes, uint32_t n)
{
	uint8_t fetched[INSN_MAX];
	enum cpu_mode mode;

	if (n) {
		mode = vcpu_mode(v);
	} else {
		n = insn_fetch(v, fetched, &mode);
		bytes = fetched;
	}
	if (n)
		emulate_one(v, bytes, n, mode);
}

void exit_npf(struct vcpu *v)
{
	const struct exit *x = &v->arch.exit;
	uint64_t gpa = x->info.npf.gpa.v;
	hpa_t hpa;

	if ((v->vm->service && memory_fault(v->vm, gpa)) ||
	    (v->vm->shm && shm_fault(v, gpa, x->info.npf.access)))
		return;
	/* Another CPU has mapped it meanwhile. */
	if (!(x->info.npf.access & NPF_PRESENT) && !mmio_find(v->vm, gpa) &&
	    !nested_translate(&v->vm->nested, GPA(gpa), NESTED_R, &hpa, NULL))
		return;
	if (x->interrupted.valid) {
		vm_stop(v,
			"event %u was delivered through guest-physical %#lx, where it has no memory",
			x->interrupted.vector, gpa);
		return;
	}
	if (x->info.npf.access & (NPF_EXEC | NPF_WALK)) {
		vm_stop(v, "%s at guest-physical %#lx, where it has no memory",
			x->info.npf.access & NPF_EXEC ? "code" : "page tables", gpa);
		return;
	}
	emulate_exit(v, x->info.npf.insn, x->info.npf.insn_len);
}

void exit_io_string(struct vcpu *v)
{
	emulate_exit(v, NULL, 0);
}
