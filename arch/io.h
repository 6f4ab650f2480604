/* SPDX-License-Identifier: BSD-2-Clause */
/* Port I/O and device registers. Host tests define these functions themselves. */

#ifndef ARCH_IO_H
#define ARCH_IO_H

#include "lib/types.h"

#ifdef BULKHEAD_HOST

uint8_t io_in8(uint16_t port);
uint16_t io_in16(uint16_t port);
uint32_t io_in32(uint16_t port);
void io_out8(uint16_t port, uint8_t value);
void io_out16(uint16_t port, uint16_t value);
void io_out32(uint16_t port, uint32_t value);
uint32_t mmio_read32(const volatile uint8_t *at);
void mmio_write32(volatile uint8_t *at, uint32_t value);

#else

static inline uint8_t io_in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint16_t io_in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t io_in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void io_out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void io_out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void io_out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint32_t mmio_read32(const volatile uint8_t *at)
{
	return *(const volatile uint32_t *)at;
}

static inline void mmio_write32(volatile uint8_t *at, uint32_t value)
{
	*(volatile uint32_t *)at = value;
}

#endif

#endif
