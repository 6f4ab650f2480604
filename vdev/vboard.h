/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the devices of an isolated guest's PC are; its ACPI tables and its buses agree because both look here. */

#ifndef VDEV_VBOARD_H
#define VDEV_VBOARD_H

#define VBOARD_RTC_PORT	  0x70 /* index, data */
#define VBOARD_RTC_IRQ	  8
#define VBOARD_UART_PORT  0x3f8
#define VBOARD_UART_IRQ	  4
#define VBOARD_PM_PORT	  0x600 /* VACPI_PORTS of them */
#define VBOARD_SCI_IRQ	  9
#define VBOARD_PCI_PORT	  0xcf8 /* address, data */
#define VBOARD_PCI_PORTS  8
#define VBOARD_FWCFG_PORT 0x510
#define VBOARD_RESET_PORT 0xcf9
#define VBOARD_RESET	  0x06 /* what to write there: hard reset */

#define VBOARD_IOAPIC 0xfec00000U
#define VBOARD_LAPIC  0xfee00000U
#define VBOARD_PIT_PIN \
	2 /* of the I/O APIC: ISA interrupt 0; the others have the pin of their number */
#define VBOARD_ECAM \
	0xb0000000U /* configuration space of bus 0, the only one: firmware for QEMU's Q35 looks for it here */
#define VBOARD_ECAM_SIZE 0x00100000U
#define VBOARD_PCI_HOLE	 0xc0000000U /* for functions' memory */
#define VBOARD_PCI_END	 0xfebfffffU
#define VBOARD_PCI_REGIONS \
	0xe8000000U /* from here on shared regions are put at the start, 128 MiB at most */
#define VBOARD_PCI_SLOT	  0x08	      /* of the functions for these: device 1 */
#define VBOARD_PCI_IRQ	  10	      /* that their INTA is wired to */
#define VBOARD_ACPI	  0x000e0000U /* the RSDP, and all other tables behind it */
#define VBOARD_ACPI_SPACE 0x00002000U
#define VBOARD_SMBIOS	  0x000f0000U
#define VBOARD_BIOS_END	  0x00100000U
#define VBOARD_BIOS_SIZE  0x00020000U /* of firmware that is seen there, too */
#define VBOARD_FLASH_END  (1ULL << 32)
#define VBOARD_FLASH_MAX  0x01000000U /* the local APIC is below */

#define VBOARD_S5 \
	0 /* SLP_TYP that switches off: as on QEMU's Q35, for OVMF does not ask the tables */

#endif
