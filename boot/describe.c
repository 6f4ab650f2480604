/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's PCI functions for admission; all of it in the log, as bulkhead-check reads it (docs/configuration.md). */

#include "arch/log.h"
#include "arch/options.h"
#include "boot/boot.h"
#include "drivers/pci.h"
#include "lib/printf.h"
#include "vm/admit.h"
#include "vm/prompt.h"

extern uint8_t image_start[], image_data_end[];

static const char *const memory_words[] = {"", "ram", "reserved", "acpi", "nvs", "bad"};

static struct pci_list list INITBSS;
static struct machine_function functions[PCI_FUNCTIONS_MAX] INITBSS;

/* To the log with debug=on, and to whoever asks at the prompt. */
static INIT PRINTF(1, 2) void describe(const char *fmt, ...)
{
	char text[100];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (option_on("debug"))
		log_debug("machine: %s", text);
	prompt_report(text);
}

static INIT bool devices_wanted(void)
{
	bool wanted = false;

	for (uint32_t i = 0; i < boot_config.vm_count; i++)
		wanted |= boot_config.vms[i].device_count != 0;
	return wanted;
}

INIT void describe_functions(struct machine *m)
{
	if (!devices_wanted() && !option_on("debug") && !prompt_is_on())
		return;
	pci_scan(&list); /* what does not fit is left out; the log says so where it matters */
	for (uint32_t i = 0; i < list.count; i++)
		functions[i] = (struct machine_function){.bdf = list.functions[i].bdf,
							 .bridge = list.functions[i].header !=
								   PCI_HEADER_NORMAL};
	m->functions = functions;
	m->function_count = list.count;
}

static INIT void functions_log(void)
{
	for (uint32_t i = 0; i < list.count; i++) {
		const struct pci_function *f = &list.functions[i];

		describe("pci 0:%02x:%02x.%x %04x:%04x %02x%02x%02x%s", PCI_BUS(f->bdf),
			 PCI_DEVICE(f->bdf), PCI_FUNCTION(f->bdf), f->vendor, f->device, f->class,
			 f->subclass, f->interface,
			 f->header == PCI_HEADER_NORMAL ? "" : " bridge");
	}
}

INIT void describe_machine(const struct machine *m)
{
	if (!option_on("debug") && !prompt_is_on())
		return;
	describe("cpus %u", m->cpus);
	for (uint32_t bit = 0; bit < 64; bit++) {
		if (m->features & BIT(bit))
			describe("has %s", config_require_name(BIT(bit)));
	}
	if (acpi_table_find(&boot_acpi, "DMAR"))
		describe("iommu vt-d");
	if (acpi_table_find(&boot_acpi, "IVRS"))
		describe("iommu amd-vi");
	describe("image %lu %lu", ALIGN_UP(boot_image_size(), PAGE_SIZE),
		 (uint64_t)(image_data_end - image_start));
	for (uint32_t i = 0; i < m->range_count; i++)
		describe("memory %#lx %#lx %s", m->ranges[i].base.v, m->ranges[i].size,
			 memory_words[m->ranges[i].type]);
	for (uint32_t i = 0; i < m->module_count; i++)
		describe("module %s %lu", m->modules[i].name, m->modules[i].size);
	functions_log();
}
