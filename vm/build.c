/* SPDX-License-Identifier: BSD-2-Clause */
/* From the configuration to VMs that can run. */

#include "vm/build.h"
#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/msr.h"
#include "arch/options.h"
#include "arch/paging.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "ept/frame.h"
#include "ept/nested.h"
#include "lib/string.h"
#include "vm/board.h"
#include "vm/console.h"
#include "vm/gmem.h"
#include "vm/irq.h"
#include "vm/load_firmware.h"
#include "vm/memory.h"
#include "vm/platform.h"
#include "vm/power.h"
#include "vm/prompt.h"
#include "vm/restart.h"
#include "vm/schedule.h"
#include "vm/shm.h"
#include "vm/vm.h"
#include "vm/xstate.h"

#define CPUID_MAX_EXT	  0x80000000
#define CPUID_POWER	  0x80000007
#define CPUID_INVARIANT	  BIT(8)
#define CPUID1_ECX_X2APIC BIT(21)
#define CPUID7_EBX_SMEP	  BIT(7)
#define CPUID7_EBX_SMAP	  BIT(20)
#define PORTS		  65536
#define QUOTA_FRAMES	  4096 /* of the pool, for one VM: tables, control blocks, save areas */

/* Does it count at one rate, and on all CPUs the same? Of the first the boot line may say more than the processor. */
static INIT bool tsc_is_invariant(void)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		int64_t skew = cpu_by_index[i] ? cpu_by_index[i]->tsc_skew : 0;

		if ((uint64_t)(skew < 0 ? -skew : skew) > sched_lead)
			return false;
	}
	return option_on("tsc-invariant") || (cpuid(CPUID_MAX_EXT, 0).eax >= CPUID_POWER &&
					      cpuid(CPUID_POWER, 0).edx & CPUID_INVARIANT);
}

INIT uint64_t build_features(void)
{
	uint64_t f = REQUIRE_NESTED_PAGING;

	if (tsc_is_invariant())
		f |= REQUIRE_INVARIANT_TSC;
	if (cpuid(1, 0).ecx & CPUID1_ECX_X2APIC)
		f |= REQUIRE_X2APIC;
	if (cpuid(0, 0).eax >= 7) {
		f |= cpuid(7, 0).ebx & CPUID7_EBX_SMEP ? REQUIRE_SMEP : 0;
		f |= cpuid(7, 0).ebx & CPUID7_EBX_SMAP ? REQUIRE_SMAP : 0;
	}
	return f;
}

/* --- vCPUs --- */

static INIT int vcpu_make(struct vm *vm, uint32_t id, uint32_t cpu)
{
	uint32_t frames = (uint32_t)(ALIGN_UP(sizeof(struct vcpu), PAGE_SIZE) / PAGE_SIZE);
	struct vcpu *v = pool_alloc(&vm->quota, frames, NULL);
	struct vlapic_config lapic;
	hpa_t pa;
	void *ctl;

	if (!v)
		return -ENOMEM;
	ctl = pool_alloc(&vm->quota, 1 + virt->vcpu_frames, &pa);
	v->xstate = pool_alloc(&vm->quota, xstate_frames(), NULL);
	if (!ctl || !v->xstate)
		return -ENOMEM;
	v->vm = vm;
	v->id = id;
	v->cpu = cpu_by_index[cpu];
	v->entity.cpu = cpu_by_index[cpu];
	v->fetch.page = ~0ULL;
	v->stats.asleep = true;
	lapic = (struct vlapic_config){
		/* the service guest sees the machine's own ids, as its ACPI tables do */
		.id = vm->service ? cpu_by_index[cpu]->apic_id : id,
		.vcpu = id,
		.bsp = id == 0,
		.x2apic = true,
		.phys_bits = memory_phys_bits(),
	};
	virt->vcpu_init(&v->arch, &vm->arch, ctl, pa);
	lapic.page = v->arch.apic;
	vlapic_init(&v->lapic, &lapic, &vm->host, vm);
	xstate_reset(v);
	vcpu_reset(v);
	if (id == 0)
		vlapic_firmware(&v->lapic);
	vcpu_state_set(v, VCPU_WAIT_SIPI);
	vm->vcpu[id] = v;
	vm->lapics[id] = &v->lapic;
	vm->vcpu_count = id + 1;
	log_debug("vm %s: vCPU %u at %p on CPU %u", vm->name, id, (void *)v, cpu);
	return 0;
}

/* --- devices --- */

static void debug_exit(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		       uint32_t *value)
{
	(void)arg;
	(void)port;
	(void)size;
	if (!in)
		vm_exit(v->vm, *value);
}

static INIT int devices_make(struct vm *vm, const struct config_vm *c, const struct build_input *in)
{
	bool console = vm->service || (in->config->vm_count == 1);
	int err = irq_vm_init(vm);

	/* First come, first served: a debug-exit port wins over whatever else would be there. */
	if (!err && config_vm_has(c, VM_DEBUG_EXIT))
		err = port_add(vm, c->debug_exit, c->debug_exit, debug_exit, NULL);
	if (!err)
		err = console_vm_init(vm, console);
	if (!err && vm->service)
		err = irq_pins_init(vm);
	if (!err)
		err = power_vm_init(vm);
	if (!err && !vm->service)
		err = board_vm_init(vm);
	if (!err && vm->service)
		err = platform_init(vm, in->acpi);
	return err;
}

/* --- one VM --- */

static INIT struct vm *vm_make(const struct build_input *in, uint32_t index)
{
	const struct config_vm *c = &in->config->vms[index];
	uint32_t frames = (uint32_t)(ALIGN_UP(sizeof(struct vm), PAGE_SIZE) / PAGE_SIZE);
	struct vm *vm = pool_alloc(&pool_quota_hv, frames, NULL);
	hpa_t pa;
	void *bitmaps;

	if (!vm)
		return NULL;
	strlcpy(vm->name, c->name, sizeof(vm->name));
	vm->id = index;
	vm->service = c->role == ROLE_SERVICE;
	vm->may_power = config_power_vm(in->config) == (int)index;
	vm->on_fault = c->on_fault;
	vm->on_exit = c->on_exit;
	vm->firmware = config_vm_has(c, VM_FIRMWARE);
	vm->quota.max = QUOTA_FRAMES;
	vm->memory = c->memory;
	irq_host_init(vm);
	bitmaps = pool_alloc(&vm->quota, virt->vm_frames, &pa);
	if (!bitmaps || memory_vm_init(vm))
		return NULL;
	vm->arch.root = HPA(nested_root(&vm->nested));
	log_debug("vm %s: nested table at %#lx", vm->name, vm->nested.pt.root.v);
	virt->vm_init(&vm->arch, bitmaps, pa);
	/* Undeclared ports are the service guest's; its devices then take back what is filtered or virtual. */
	if (vm->service)
		virt->io_intercept(&vm->arch, 0, PORTS, false);
	msr_init(vm);
	mtrr_vm_init(vm);
	return vm;
}

static INIT int vm_fill(struct vm *vm, const struct build_input *in)
{
	const struct config_vm *c = &in->config->vms[vm->id];
	uint32_t n = config_vcpus(c, cpu_count);
	int err = 0;

	for (uint32_t i = 0, id = 0; i < n && !err; i++) {
		uint32_t cpu = config_vcpu_cpu(c, i);

		if (cpu >= cpu_count || !cpu_by_index[cpu]) {
			log_error("vm %s: CPU %u does not run; left out", vm->name, cpu);
			continue;
		}
		if (id == VM_VCPUS) {
			log_warn(
				"vm %s: a VM has at most %u vCPUs; it does not get CPU %u and those behind it",
				vm->name, VM_VCPUS, cpu);
			break;
		}
		err = vcpu_make(vm, id++, cpu);
	}
	if (!err && !vm->vcpu_count)
		err = -ENODEV;
	if (!err)
		err = devices_make(vm, c, in);
	if (!err)
		err = memory_vm_fill(vm, in);
	if (!err && vm->service)
		err = overlay_init(vm, in->acpi);
	if (!err)
		err = shm_vm_init(vm, in);
	return err;
}

/* --- its image --- */

/* Its firmware, at both places where a processor and a BIOS expect it, instead of what @r asks for: that is told to it. */
static INIT int firmware_load(struct vm *vm, const struct image *image,
			      const struct load_request *r, struct load_result *out, char *err,
			      size_t err_size)
{
	uint32_t frames = (uint32_t)(ALIGN_UP(sizeof(struct firmware), PAGE_SIZE) / PAGE_SIZE);
	struct firmware *f = pool_alloc(&vm->quota, frames, NULL);
	const struct load_target *t = r->target;
	uint64_t low = min_u64(image->size, VBOARD_BIOS_SIZE);
	struct firmware_request q = {
		.vcpus = vm->vcpu_count,
		.low = memory_low(vm),
		.high = vm->memory - memory_low(vm),
		.smbios = board_smbios(vm),
		.kernel = r->kernel,
		.initrd = r->initrd,
		.cmdline = r->cmdline,
		.modules = r->modules,
		.module_count = r->module_count,
	};
	int e = f ? memory_flash(vm, image) : -ENOMEM;

	if (!e)
		e = t->copy(t->arg, GPA(VBOARD_BIOS_END - low), image->size - low, low, image);
	if (!e)
		e = firmware_describe(f, &q, err, err_size);
	if (e)
		return e;
	board_firmware(vm, f->items, f->item_count);
	out->form = "firmware";
	memcpy(out->gpr, vm->vcpu[0]->arch.gpr, sizeof(out->gpr));
	virt->get_state(&vm->vcpu[0]->arch, &out->state); /* it is as after power-up already */
	return 0;
}

static INIT int vm_load(struct vm *vm, const struct build_input *in)
{
	const struct config_vm *c = &in->config->vms[vm->id];
	static struct load_result result INITDATA;
	struct image kernel = {0}, initrd = {0}, firmware = {0}, images[LOAD_MODULES];
	struct load_module modules[LOAD_MODULES];
	struct load_target target;
	struct load_request r = {
		.kernel = c->kernel.name[0] ? &kernel : NULL,
		.name = c->kernel.name,
		.cmdline = c->cmdline,
		.flat = c->flat,
		.flat_base = c->flat_base,
		.target = &target,
		.screen = vm->service ? in->screen : NULL,
		.rsdp = in->rsdp,
		.modules = modules,
		.module_count = (uint32_t)min_u64(c->module_count, LOAD_MODULES),
	};
	char err[160] = "";
	int e = r.kernel ? in->module(c->kernel.name, &kernel) : 0;

	if (!e && vm->firmware)
		e = in->module(c->firmware.name, &firmware);
	if (!e && c->initrd.name[0]) {
		e = in->module(c->initrd.name, &initrd);
		r.initrd = &initrd;
	}
	for (uint32_t i = 0; i < r.module_count && !e; i++) {
		e = in->module(c->modules[i].name, &images[i]);
		modules[i] = (struct load_module){.image = &images[i],
						  .cmdline = in->module_words(c->modules[i].name)};
	}
	memory_load_target(vm, in, &target);
	if (!e && config_restarts(in->config, c))
		e = restart_record(vm, &target);
	if (!e && restart_possible(vm) && vm->service)
		e = overlay_keep(vm, in->acpi);
	if (!e && !vm->service && !vm->firmware)
		r.rsdp = board_tables(vm, &target);
	if (!e)
		e = vm->firmware ? firmware_load(vm, &firmware, &r, &result, err, sizeof(err))
				 : load_guest(&r, &result, err, sizeof(err));
	if (e) {
		log_error("vm %s: not started: %s", vm->name,
			  err[0] ? err : "a module is missing, or frames for its restart");
		return e;
	}
	memcpy(vm->vcpu[0]->arch.gpr, result.gpr, sizeof(result.gpr));
	virt->set_state(&vm->vcpu[0]->arch, &result.state);
	vcpu_state_set(vm->vcpu[0], VCPU_RUNNABLE);
	if (restart_possible(vm))
		restart_keep(vm, &result);
	log_info("vm %s: %s, %u vCPU(s), entry %#lx", vm->name, result.form, vm->vcpu_count,
		 result.state.rip);
	return 0;
}

/* Isolated VMs take their memory first; the service guest gets the rest. */
INIT int build_vms(const struct build_input *in)
{
	int service = config_service_vm(in->config), started = 0;

	cpuid_init();
	memory_gaps(in);
	shm_regions_make(in->config);

	for (uint32_t pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < in->config->vm_count; i++) {
			struct vm *vm;
			int err;

			if ((service == (int)i) != (pass == 1))
				continue;
			vm = vm_make(in, i);
			vms[i] = vm;
			vm_count = (uint32_t)max_u64(vm_count, i + 1);
			err = vm ? vm_fill(vm, in) : -ENOMEM;
			if (err) {
				log_error(
					"vm %s: cannot be built (%d): too little memory, or [system] reserve too small",
					in->config->vms[i].name, err);
				vm_not_started(vm);
				continue;
			}
			if (vm_load(vm, in))
				vm_not_started(vm);
			else
				started++;
		}
	}
	return schedule_build(in->config) ? 0 : started;
}

INIT int build_finish(const struct build_input *in)
{
	exits_time(prompt_is_on() || option_on("debug"));
	console_banner();
	for (uint32_t i = 0; i < vm_count; i++) {
		if (vms[i] && vms[i]->service)
			return memory_give_temporary(vms[i], in);
	}
	return 0;
}

void build_start(void)
{
	schedule_start();
	/* The loaders' pages leave the windows at the first entry, whoever was loaded last. */
	this_cpu()->window_vm = NULL;
	for (uint32_t i = 0; i < vm_count; i++) {
		if (vms[i] && !vms[i]->ended)
			sched_wake(&vms[i]->vcpu[0]->entity);
	}
}
