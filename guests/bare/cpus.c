/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts every processor of the MADT; each says who it is, and all ids are compared; with "package", whether CPUID counts as many. */

#include "lib/acpi.h"
#include "lib/apic.h"
#include "lib/guest.h"
#include "lib/smp.h"
#include "lib/x86.h"

#define CPUID_TOPOLOGY 0xb
#define CPUID_SIZES    0x80000008 /* AMD's way of saying the same */
#define CPUID_ID_SHIFT 24
#define COUNT_SHIFT    16 /* of CPUID.1's EBX: ids that one package has room for */

static struct {
	uint32_t lapic, cpuid1, topology;
	bool real;
} seen[GUEST_VCPUS];

/* On each vCPU: its APIC id by all three ways. */
static void identify(uint32_t number)
{
	seen[number].cpuid1 = cpuid(1, 0).ebx >> CPUID_ID_SHIFT;
	seen[number].topology = cpuid(0, 0).eax >= CPUID_TOPOLOGY ? cpuid(CPUID_TOPOLOGY, 0).edx
								  : seen[number].cpuid1;
	seen[number].lapic = apic_id();
	__atomic_store_n(&seen[number].real, true, __ATOMIC_SEQ_CST);
}

static bool started(uint32_t number)
{
	for (uint32_t i = 0; i < 100000000; i++) {
		if (__atomic_load_n(&seen[number].real, __ATOMIC_SEQ_CST))
			return true;
		pause();
	}
	return false;
}

static bool agrees(uint32_t number, uint32_t id)
{
	bool ok = seen[number].lapic == id && seen[number].topology == id &&
		  seen[number].cpuid1 == (id & 0xff);

	print("cpu %u: apic id %u%s\n", number, seen[number].lapic, ok ? "" : " WRONG");
	if (!ok)
		print("MADT says %u, CPUID.1 %u, CPUID.0BH %u\n", id, seen[number].cpuid1,
		      seen[number].topology);
	return ok;
}

/* The package is all of the VM: CPUID counts its processors, and their ids have as many bits as that takes. */
static uint32_t package_wrong(uint32_t count)
{
	struct cpuid core = cpuid(CPUID_TOPOLOGY, 1), sizes = cpuid(CPUID_SIZES, 0);
	uint32_t room = cpuid(1, 0).ebx >> COUNT_SHIFT & 0xff, bits, cores;
	bool ok;

	if (cpuid(0, 0).eax >= CPUID_TOPOLOGY) {
		cores = core.ebx;
		bits = core.eax & 31;
	} else {
		cores = (sizes.ecx & 0xff) + 1;
		bits = sizes.ecx >> 12 & 15;
	}
	ok = cores == count && count <= 1U << bits && (count == 1 || count > 1U << bits >> 1) &&
	     room == 1U << bits;
	print("cpus: the package has %u of them, ids of %u bits, room for %u\n", cores, bits, room);
	return !ok;
}

uint32_t guest_main(void)
{
	uint32_t ids[GUEST_VCPUS], count = madt_cpus(ids, GUEST_VCPUS), bad = 0, number = 1;
	uint32_t wanted = (uint32_t)cmdline_number("count", count), self;

	smp_entry = identify;
	identify(0);
	self = seen[0].lapic;
	bad += !agrees(0, self);
	for (uint32_t i = 0; i < count && i < GUEST_VCPUS; i++) {
		if (ids[i] == self)
			continue;
		if (!smp_start(ids[i]) || !started(number)) {
			print("the processor with APIC id %u does not start\n", ids[i]);
			bad++;
			continue;
		}
		bad += !agrees(number, ids[i]);
		number++;
	}
	if (cmdline_word("package"))
		bad += package_wrong(count);
	print("cpus: %u of %u run, %u wanted, %u wrong\n", number, count, wanted, bad);
	return bad || number != wanted || count != wanted;
}
