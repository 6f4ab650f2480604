/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole start-up order, from the multiboot2 information block to the first guest entry. */

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/mce.h"
#include "arch/msr.h"
#include "arch/options.h"
#include "arch/paging.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "arch/trap.h"
#include "boot/boot.h"
#include "boot/early.h"
#include "drivers/clock.h"
#include "drivers/pic.h"
#include "ept/frame.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vm/admit.h"
#include "drivers/screen.h"
#include "vm/build.h"
#include "vm/clock.h"
#include "vm/console.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/platform.h"
#include "vm/power.h"
#include "vm/prompt.h"
#include "vm/vm.h"
#include "vm/xstate.h"

#define MBI_MAX	       (128 * KIB)
#define CONFIG_MAX     (1 * MIB)
#define CPU_VENDOR_AMD 0x68747541 /* "Auth", of AuthenticAMD */

struct boot_info boot_info INITBSS;
struct config boot_config INITBSS;
struct acpi_info boot_acpi INITBSS;
hpa_t boot_image INITDATA;

static uint8_t mbi_copy[MBI_MAX] INITBSS;
static struct cpu early_cpu INITBSS;
static uint64_t boot_tsc INITDATA;

extern uint8_t image_start[], image_data_end[], image_inittext_end[], image_end[];

void boot_main(uint64_t mbi, uint64_t image);

INIT uint64_t boot_image_size(void)
{
	return (uint64_t)(image_end - image_start);
}

/* --- with the boot tables: only what must be known before memory is laid out --- */

static INIT void config_print(void *arg, const struct config_error *e)
{
	(void)arg;
	if (e->at.line)
		log_refused("config:%u:%u: %s%s%s%s", e->at.line, e->at.col, e->text,
			    *e->word ? ": \"" : "", e->word, *e->word ? "\"" : "");
	else
		log_refused("config: %s", e->text);
}

static INIT void config_read(void)
{
	const struct boot_module *m = boot_module_find(&boot_info, "config");
	struct config_report report = {.error = config_print};

	if (!m)
		boot_refuse(
			"no boot module is named \"config\"; add the line \"module2 FILE config\" to GRUB's entry.");
	if (m->size > CONFIG_MAX)
		boot_refuse(
			"the module \"config\" is larger than 1 MiB; give the configuration's text that name.");
	if (config_parse((const char *)m->start.v, (uint32_t)m->size, &boot_config, &report))
		boot_refuse(
			"nothing is started; correct the %u error(s) of the configuration named above.",
			report.count);
}

static INIT void info_read(uint64_t mbi)
{
	uint32_t size = *(const uint32_t *)mbi;
	char err[160];

	memcpy(mbi_copy, (const void *)mbi, min_u64(size, MBI_MAX));
	if (size > MBI_MAX)
		boot_refuse(
			"the boot loader's information block is larger than %lu KiB; pass fewer modules.",
			MBI_MAX / KIB);
	if (mbi_parse(mbi_copy, size, &boot_info, err, sizeof(err)))
		boot_refuse("the boot loader's information block: %s", err);
	for (uint32_t i = 0; i < boot_info.module_count; i++) {
		const struct boot_module *m = &boot_info.modules[i];

		if (m->start.v > IDENTITY_LIMIT || m->size > IDENTITY_LIMIT - m->start.v)
			boot_refuse(
				"module \"%s\" lies above 4 GiB; use a boot loader that loads below, such as GRUB.",
				m->name);
	}
	options_init(boot_info.cmdline);
}

/* --- with the final tables --- */

static INIT int acpi_read(void *arg, hpa_t pa, void *buf, uint32_t len)
{
	(void)arg;
	if (range_wraps(pa.v, len) || pa.v + len > BIT(memory_phys_bits()))
		return -EFAULT;
	phys_read(pa, buf, len);
	return 0;
}

static INIT void acpi_line(void *arg, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	(void)arg;
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("ACPI: %s", text);
}

static INIT void machine_read(void)
{
	const struct acpi_access access = {.read = acpi_read, .report = acpi_line};

	if (!boot_info.rsdp_size && acpi_find_rsdp(&access, boot_info.rsdp) > 0)
		boot_info.rsdp_size = ACPI_RSDP_MAX;
	if (!boot_info.rsdp_size)
		boot_refuse(
			"the machine has no ACPI tables; switch ACPI on in the firmware's setup.");
	if (acpi_parse(&boot_acpi, &access, boot_info.rsdp, boot_info.rsdp_size))
		boot_refuse(
			"the ACPI tables are unusable, see above; switch ACPI on in the firmware's setup, or update it.");
}

static INIT void backend_choose(void)
{
	const char *why;

	virt = cpuid(0, 0).ebx == CPU_VENDOR_AMD || cpuid(0x80000001, 0).ecx & BIT(2) ? &svm_ops
										      : &vmx_ops;
	why = virt->probe();
	if (why)
		boot_refuse("%s", why);
}

static INIT void clocks_start(void)
{
	uint64_t timer_khz;

	tsc_khz = clock_calibrate(tsc_read, &boot_acpi);
	if (!tsc_khz)
		boot_refuse(
			"neither the ACPI PM timer nor the PIT counts; switch one on in the firmware's setup.");
	log_clock((uint32_t)tsc_khz, boot_tsc);
	lapic_timer_free_run();
	timer_khz = clock_calibrate(lapic_timer_elapsed, &boot_acpi);
	lapic_timer_rates(timer_khz, tsc_khz);
	sched_slice = SCHED_SLICE_US * tsc_khz / 1000;
	sched_lead = SCHED_LEAD_NS * tsc_khz / 1000000;
	irq_timer_fn = timers_run;
	log_info("TSC %lu kHz, APIC timer %lu kHz, %s", tsc_khz, timer_khz,
		 lapic_is_x2apic() ? "x2APIC" : "xAPIC");
}

/* Parts of memory for the builder, and the way to the modules. */

static INIT int module_of(const char *name, struct image *image)
{
	int index = module_index(name);

	if (index < 0)
		return -ENOENT;
	module_image(image, (uint32_t)index);
	return 0;
}

static INIT const char *module_words(const char *name)
{
	const struct boot_module *m = boot_module_find(&boot_info, name);

	return m ? m->cmdline : NULL;
}

static INIT int module_digest(void *arg, uint32_t index, uint8_t out[SHA256_SIZE])
{
	static uint8_t buf[PAGE_SIZE] INITBSS;
	struct image image;

	(void)arg;
	module_image(&image, index);
	return image_sha256(&image, buf, sizeof(buf), out);
}

static INIT void admit_all(void)
{
	static struct machine_module modules[BOOT_MODULES] INITBSS;
	struct config_report report = {.error = config_print,
				       .max = UINT32_MAX}; /* bounded by the record */
	struct machine m = {
		.cpus = cpu_count,
		.features = build_features(),
		.ranges = boot_info.map,
		.range_count = boot_info.map_count,
		.occupied = ALIGN_UP(boot_image_size(), PAGE_SIZE) + boot_store.size,
		.modules = modules,
		.module_count = boot_info.module_count,
		.digest = module_digest,
	};

	for (uint32_t i = 0; i < boot_info.module_count; i++) {
		modules[i].name = boot_info.modules[i].name;
		modules[i].size = boot_info.modules[i].size;
	}
	describe_functions(&m);
	describe_machine(&m);
	if (admit(&boot_config, &m, &report))
		boot_refuse(
			"nothing is started; fit the configuration to this machine as said above.");
}

static INIT const struct load_screen *screen_found(void)
{
	static struct load_screen screen INITDATA;
	const struct boot_framebuffer *b = &boot_info.fb;

	screen = (struct load_screen){.kind = SCREEN_TEXT};
	screen_cursor(&screen.row, &screen.column);
	if (b->present && b->type == BOOT_FB_RGB)
		screen = (struct load_screen){
			.kind = SCREEN_LINEAR,
			.bpp = b->bpp,
			.red_pos = b->red_pos,
			.red_size = b->red_size,
			.green_pos = b->green_pos,
			.green_size = b->green_size,
			.blue_pos = b->blue_pos,
			.blue_size = b->blue_size,
			.base = GPA(b->base.v),
			.pitch = b->pitch,
			.width = b->width,
			.height = b->height,
		};
	return &screen;
}

/* .init's frames are the service guest's from now on: emptied and unmapped by code that lies outside. */
static NORETURN __attribute__((noinline)) void boot_go(void)
{
	memset(image_inittext_end, 0, (uint64_t)(image_end - image_inittext_end));
	paging_unmap((uint64_t)image_data_end, (uint64_t)(image_end - image_data_end));
	/* From its first instruction on the screen is the service guest's. */
	log_sink_remove(&early_screen_sink);
	screen_off();
	build_start();
	cpu_run_all();
	cpu_run();
}

/* What stays the hypervisor's, and what is given away when the loaders are done. */
static struct range_list {
	struct mem_range range[BOOT_MODULES + 2];
	uint32_t count;
} kept INITBSS, temporary INITBSS;

/* Neighbours are joined. */
static INIT void range_add(struct range_list *l, uint64_t base, uint64_t size, uint32_t type)
{
	struct mem_range *last = &l->range[l->count - 1];

	if (l->count && last->base.v + last->size == base)
		last->size += size;
	else
		l->range[l->count++] = (struct mem_range){HPA(base), size, type};
}

static INIT void memory_share(void)
{
	uint64_t keep = (uint64_t)(image_data_end - image_start);

	range_add(&kept, boot_image.v, keep, MEM_RESERVED);
	range_add(&kept, pool_base().v, pool_total() * PAGE_SIZE, MEM_RESERVED);
	range_add(&temporary, boot_image.v + keep, boot_image_size() - keep, MEM_RAM);
	for (uint32_t i = 0; i < boot_info.module_count; i++) {
		const struct boot_module *m = &boot_info.modules[i];
		uint64_t size = ALIGN_UP(m->size, PAGE_SIZE);

		if (admit_module_kept(&boot_config, m->name))
			range_add(&kept, m->start.v, size, MEM_RESERVED);
		else
			range_add(&temporary, m->start.v, size, MEM_RAM);
	}
}

static INIT void vms_build(void)
{
	const struct build_input in = {
		.config = &boot_config,
		.acpi = &boot_acpi,
		.map = boot_info.map,
		.map_count = boot_info.map_count,
		.screen = screen_found(),
		.module = module_of,
		.module_words = module_words,
		.kept = kept.range,
		.kept_count = kept.count,
		.temporary = temporary.range,
		.temporary_count = temporary.count,
		.rsdp = GPA(boot_rsdp.v), /* the service guest has RAM where the machine has it */
	};

	if (build_vms(&in) <= 0)
		boot_refuse("no VM can start; correct what is named above.");
	smp_settle();
	if (build_finish(&in))
		log_warn("memory of start-up could not be given to the service guest");
}

/* On the boot CPU's own stack, everything that may refuse. */
static INIT void boot_continue(void)
{
	const char *why = virt->cpu_on(this_cpu()->host, this_cpu()->host_pa);

	if (why)
		boot_refuse("%s", why);
	trap_use_ist();
	mce_init();
	log_info("%s", virt->features());
	log_debug("CPU %u: CR3 %#lx, APIC id %u", this_cpu()->index, paging_root().v,
		  this_cpu()->apic_id);
	smp_start();
	platform_machine_init(&boot_acpi);
	if (irq_machine_init(&boot_acpi))
		boot_refuse(
			"this machine has more I/O APICs than this version can hold (%u), or no frames are left.",
			VM_IOAPICS);
	machine_power_init(&boot_acpi, boot_config.on_end);
	console_init(&console_uart, &early_serial_sink);
	if (boot_config.prompt)
		prompt_init();
	clock_init();
	admit_all();
	memory_share();
	vms_build();
	log_info("the hypervisor keeps %u KiB: image %lu KiB, frames %u KiB",
		 (uint32_t)((uint64_t)(image_data_end - image_start) / KIB) + pool_used() * 4,
		 (uint64_t)(image_data_end - image_start) / KIB, pool_used() * 4);
	boot_go();
}

static INIT void boot_cpu_make(void)
{
	uint32_t id = lapic_id();
	int index = smp_index(id);
	struct cpu *cpu;

	if (index < 0)
		boot_refuse(
			"the MADT does not list the boot processor (APIC id %u); update the firmware.",
			id);
	cpu = smp_cpu_make((uint32_t)index, id);
	if (!cpu)
		boot_refuse("out of frames for the boot CPU; raise [system] reserve.");
	cpu->online = true;
	cpu_by_index[index] = cpu;
	percpu_load(cpu);
	stack_switch(boot_continue, (void *)cpu->stack_top);
}

/*
 * From boot/entry.asm: @mbi is the information block, @image where the image was loaded. Interrupts are off, the
 * boot tables map the first 4 GiB at their own addresses.
 */
INIT void boot_main(uint64_t mbi, uint64_t image)
{
	boot_tsc = tsc_read();
	early_cpu.self = &early_cpu;
	msr_write(MSR_GS_BASE, (uint64_t)&early_cpu);
	trap_init();
	boot_image = HPA(image);
	early_serial();
	info_read(mbi);
	early_console();
	log_info("Bulkhead " BULKHEAD_VERSION ", loaded at %#lx by %s", image, boot_info.loader);
	config_read();
	memory_place();
	if (paging_init(boot_image))
		boot_refuse(
			"out of frames for the hypervisor's own page tables; raise [system] reserve.");
	paging_load();
	early_paged();
	memory_claim();
	machine_read();
	pic_disable(VECTOR_PIC);
	if (lapic_init(boot_acpi.lapic))
		boot_refuse("out of frames for the local APIC.");
	lapic_enable();
	backend_choose();
	xstate_init();
	clocks_start();
	boot_cpu_make();
}
