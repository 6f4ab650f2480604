/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of the virtual local APIC: register numbers, fields, inner functions. */

#ifndef VDEV_VLAPIC_PRIV_H
#define VDEV_VLAPIC_PRIV_H

#include "vdev/vlapic.h"

/* Registers: MMIO offset / 16, which is also MSR - 0x800. SDM vol. 3, tables 11-1 and 11-6. */
#define REG_ID	      0x02
#define REG_VERSION   0x03
#define REG_TPR	      0x08
#define REG_APR	      0x09
#define REG_PPR	      0x0a
#define REG_EOI	      0x0b
#define REG_RRD	      0x0c
#define REG_LDR	      0x0d
#define REG_DFR	      0x0e
#define REG_SVR	      0x0f
#define REG_ISR	      0x10 /* eight each */
#define REG_TMR	      0x18
#define REG_IRR	      0x20
#define REG_ESR	      0x28
#define REG_ICR	      0x30
#define REG_ICR2      0x31
#define REG_LVT_FIRST 0x32 /* in the order of enum vlapic_lvt */
#define REG_LVT_LAST  0x37
#define REG_INITIAL   0x38
#define REG_CURRENT   0x39
#define REG_DCR	      0x3e
#define REG_SELF_IPI  0x3f
#define REG_COUNT     0x40

/* Version register, 11.4.8: an integrated APIC with VLAPIC_LVT_COUNT entries. */
#define VERSION_INTEGRATED   0x14
#define VERSION_MAX_LVT	     ((uint32_t)(VLAPIC_LVT_COUNT - 1) << 16)
#define VERSION_DIRECTED_EOI (1u << 24)

/* LVT entries, 11.5.1. */
#define LVT_VECTOR	   0xffu
#define LVT_MODE(lvt)	   ((uint8_t)(((lvt) >> LVT_MODE_SHIFT) & 7)) /* enum apic_mode */
#define LVT_MODE_SHIFT	   8
#define LVT_MODE_MASK	   0x700u
#define LVT_STATUS	   (1u << 12)
#define LVT_LOW		   (1u << 13)
#define LVT_REMOTE_IRR	   (1u << 14)
#define LVT_LEVEL	   (1u << 15)
#define LVT_MASKED	   (1u << 16)
#define LVT_TIMER_MODE	   (3u << 17)
#define LVT_TIMER_ONE_SHOT (0u << 17)
#define LVT_TIMER_PERIODIC (1u << 17)
#define LVT_TIMER_DEADLINE (2u << 17)

/* Spurious-interrupt vector register, 11.9. */
#define SVR_VECTOR	     0xffu
#define SVR_ENABLE	     (1u << 8)
#define SVR_NO_FOCUS	     (1u << 9)
#define SVR_NO_EOI_BROADCAST (1u << 12)

/* Error status, 11.5.3. */
#define ESR_SEND_ILLEGAL (1u << 5)
#define ESR_RECV_ILLEGAL (1u << 6)
#define ESR_REGISTER	 (1u << 7)

/* Interrupt command, 11.6.1. */
#define ICR_VECTOR	    0xffu
#define ICR_MODE(icr)	    ((uint8_t)(((icr) >> 8) & 7))
#define ICR_LOGICAL	    (1u << 11)
#define ICR_STATUS	    (1u << 12)
#define ICR_ASSERT	    (1u << 14)
#define ICR_LEVEL	    (1u << 15)
#define ICR_SHORTHAND_SHIFT 18
#define ICR_SHORTHAND(icr)  ((uint8_t)(((icr) >> ICR_SHORTHAND_SHIFT) & 3))
#define ICR_RESERVED	    (0xfff00000u | 3u << 16 | 1u << 13)

/* Vectors below are illegal in interrupt messages, 11.5.2. */
#define VECTOR_FIRST 16

/* Priority class of a vector, TPR or PPR, 11.8.3. */
#define CLASS_MASK 0xf0u

#define DFR_FLAT     0xffffffffu
#define DFR_MODEL(d) ((d) >> 28) /* 0xf flat, 0 cluster; 11.6.2.2 */
#define DCR_MASK     0xbu

/* --- vlapic.c --- */
/* Request @vector; true if it was not requested before. Any CPU; no kick. */
bool vlapic_irr_set(struct vlapic *v, uint8_t vector, bool level);
/* Note errors; raises LVT error if it is the first since ESR was written. Any CPU. */
void vlapic_error(struct vlapic *v, uint32_t bits);
/* Raise LVT entry @lvt as its register says. Any CPU. */
void vlapic_lvt_raise(struct vlapic *v, enum vlapic_lvt lvt);
/* The highest vector in service, 0: none (no vector below 16 gets there). */
uint32_t vlapic_in_service(const struct vlapic *v);
void vlapic_tpr_set(struct vlapic *v, uint32_t tpr);

/* --- vlapic_reg.c --- */
/* A register that both modes have, with 32 bits. False: no such register, or it cannot be read. */
bool vlapic_register(struct vlapic *v, uint32_t reg, uint32_t *value);

/* --- vlapic_page.c --- */
/* The processor keeps the registers from now on, if it can; no longer. Own CPU. */
void vlapic_page_take(struct vlapic *v);
void vlapic_page_give_back(struct vlapic *v);
int vlapic_page_requested(const struct vlapic *v);
uint32_t vlapic_page_ppr(const struct vlapic *v);
/* SVR has changed. */
void vlapic_page_svr(struct vlapic *v);

/* --- vlapic_timer.c --- */
void vlapic_timer_init(struct vlapic *v);
void vlapic_timer_reset(struct vlapic *v);
/* LVT timer has just changed from @old. */
void vlapic_timer_lvt(struct vlapic *v, uint32_t old);
void vlapic_timer_initial(struct vlapic *v, uint32_t count);
uint32_t vlapic_timer_current(struct vlapic *v);
void vlapic_timer_divide(struct vlapic *v, uint32_t dcr);

/* --- vlapic_route.c --- */
/* The ICR was written: @dest as in its high half. */
void vlapic_icr(struct vlapic *v, uint32_t low, uint32_t dest, bool dest8);
void vlapic_self_ipi(struct vlapic *v, uint8_t vector);
/* @vector, level-triggered, was ended: of use to a LINT pin that waits for it. Own CPU. */
void vlapic_lint_eoi(struct vlapic *v, uint32_t vector);
/* LVT LINT0 + @pin was written: a level that waits is delivered, an ExtINT is looked for. Own CPU. */
void vlapic_lint_changed(struct vlapic *v, uint32_t pin);

#endif
