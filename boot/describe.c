/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine in the log, in the form that bulkhead-check reads (docs/configuration.md, "At a desk"). */

#include "arch/log.h"
#include "arch/options.h"
#include "boot/boot.h"
#include "drivers/pci.h"
#include "vm/admit.h"

static const char *const memory_words[] = {"", "ram", "reserved", "acpi", "nvs", "bad"};

static INIT void functions_describe(void)
{
	static struct pci_list list INITBSS;

	pci_scan(&list); /* what does not fit is left out; the log says so where it matters */
	for (uint32_t i = 0; i < list.count; i++) {
		const struct pci_function *f = &list.functions[i];

		log_debug("machine: pci 0:%02x:%02x.%x %04x:%04x %02x%02x%02x%s", PCI_BUS(f->bdf),
			  PCI_DEVICE(f->bdf), PCI_FUNCTION(f->bdf), f->vendor, f->device, f->class,
			  f->subclass, f->interface,
			  f->header == PCI_HEADER_NORMAL ? "" : " bridge");
	}
}

INIT void describe_machine(const struct machine *m)
{
	if (!option_on("debug"))
		return;
	log_debug("machine: cpus %u", m->cpus);
	for (uint32_t bit = 0; bit < 64; bit++) {
		if (m->features & BIT(bit))
			log_debug("machine: has %s", config_require_name(BIT(bit)));
	}
	for (uint32_t i = 0; i < m->range_count; i++)
		log_debug("machine: memory %#lx %#lx %s", m->ranges[i].base.v, m->ranges[i].size,
			  memory_words[m->ranges[i].type]);
	for (uint32_t i = 0; i < m->module_count; i++)
		log_debug("machine: module %s %lu", m->modules[i].name, m->modules[i].size);
	functions_describe();
}
