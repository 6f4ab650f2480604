/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest can use beside its own code; guest.c has the rest of it. */

#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VCPUS_MAX 64

/* Your guest is this function. Interrupts are on; what it returns is the VM's exit value, 0 to 255. */
int guest_main(void);

/* End the VM with @value: a write to port 0xf4, which the configuration calls debug-exit. */
__attribute__((noreturn)) void guest_exit(int value);

/* The words of the command line: NAME=NUMBER's number, or @otherwise. */
uint64_t option(const char *name, uint64_t otherwise);

/* RAM from 1 MiB on, in KiB, as the loader says. */
extern uint32_t guest_memory;

/* To COM1: %s %c %u %x %lu %lx %%. Calls of several vCPUs do not mix. */
__attribute__((format(printf, 1, 2))) void print(const char *fmt, ...);

/* Nanoseconds since the first call. All vCPUs have the same. */
uint64_t now(void);
/* Halt the vCPU until then; its local APIC's timer wakes it. Returns as soon as it can, perhaps late. */
void sleep_until(uint64_t ns);

/* Start all other vCPUs in @entry, with numbers from 1 on; returns how many there are now, this one included. */
uint32_t vcpus_start(void (*entry)(uint32_t number));
/* The local APIC's id of the vCPU that asks. */
uint32_t apic_id(void);

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

#endif
