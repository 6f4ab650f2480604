/* SPDX-License-Identifier: BSD-2-Clause */
/* Any sequence of register accesses, interrupts and pauses on a VM's chips, wired as in a PC; invariants after each. */
/* sources: vdev/vlapic.c vdev/vlapic_reg.c vdev/vlapic_page.c vdev/vlapic_timer.c vdev/vlapic_route.c vdev/vioapic.c vdev/vpic.c vdev/vpit.c vdev/vuart.c vdev/vacpi.c vdev/vrtc.c */

#include <stdlib.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vacpi.h"
#include "vdev/vioapic.h"
#include "vdev/vpic.h"
#include "vdev/vpit.h"
#include "vdev/vrtc.h"
#include "vdev/vuart.h"

#define CPUS	    3
#define TIMERS_STEP 64	/* timers that fire in one pause */
#define CALLS_STEP  512 /* messages that one step may cause */
#define UART_IRQ    4
#define RTC_IRQ	    8
#define SCI_IRQ	    9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vlapic lapic[CPUS];
static struct vioapic ioapic;
static struct vpic pic;
static struct vpit pit;
static struct vuart uart;
static struct vacpi acpi;
static struct vrtc rtc;
static uint32_t tx_room, held;

static const uint8_t *input;
static size_t left;

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* The next @n bytes of the input, zeros behind its end. */
static uint64_t take(uint32_t n)
{
	uint64_t value = 0;

	while (n-- && left) {
		value = value << 8 | *input++;
		left--;
	}
	return value;
}

/* --- the wiring --- */

static void isa_line(uint32_t irq, bool level)
{
	vpic_set(&pic, irq, level);
	vioapic_set(&ioapic, irq ? irq : 2, level);
}

static void on_pic_output(void *vm, bool level)
{
	(void)vm;
	vlapic_lint(&lapic[0], 0, level);
}

static void on_pit_output(void *vm, bool level)
{
	(void)vm;
	isa_line(0, level);
}

static void on_eoi(void *vm, uint8_t vector)
{
	(void)vm;
	vioapic_eoi(&ioapic, vector);
}

static void on_signal(void *vm, uint32_t vcpu, int what, uint8_t page)
{
	(void)vm;
	(void)page;
	check(vcpu < CPUS && what >= VDEV_INIT && what <= VDEV_NMI);
	if (what == VDEV_INIT)
		fake.kicked |= BIT(32 + vcpu);
}

static bool uart_tx(void *arg, uint8_t byte)
{
	(void)arg;
	(void)byte;
	if (!tx_room)
		return false;
	tx_room--;
	return true;
}

static void uart_irq(void *arg, bool level)
{
	(void)arg;
	isa_line(UART_IRQ, level);
}

static void acpi_sci(void *vm, bool level)
{
	(void)vm;
	isa_line(SCI_IRQ, level);
}

static void rtc_irq(void *vm, bool level)
{
	(void)vm;
	isa_line(RTC_IRQ, level);
	if (level)
		vacpi_rtc(&acpi);
}

/* A back end that feeds more as soon as there is room. */
static void uart_taken(void *arg)
{
	(void)arg;
	check(vuart_rx_room(&uart) > 0);
	for (; held && vuart_rx_room(&uart); held--)
		vuart_rx(&uart, (uint8_t)held);
}

static const struct vuart_ops uart_ops = {.tx = uart_tx,
					  .irq = uart_irq,
					  .rx_taken = uart_taken,
					  .lock = fake_lock,
					  .unlock = fake_unlock};

static void power_on(void)
{
	static const uint64_t khz[] = {1000, 1193182, 2893301, (1 << 24) - 1};
	uint8_t how = (uint8_t)take(1);

	fake_reset(khz[how & 3], 1ULL << (how >> 4) * 4);
	fake_host.pic_output = on_pic_output;
	fake_host.pit_output = on_pit_output;
	fake_host.eoi_broadcast = on_eoi;
	fake_host.init_sipi = on_signal;
	fake.route = vlapic_route;
	fake.lapics = CPUS;
	for (uint32_t n = 0; n < CPUS; n++) {
		struct vlapic_config cfg = {.id = n == 2 ? 0x102 : n,
					    .vcpu = n,
					    .bsp = n == 0,
					    .x2apic = !(how & 4),
					    .directed_eoi = how & 8,
					    .phys_bits = 40};

		vlapic_init(&lapic[n], &cfg, &fake_host, NULL);
		fake.lapic[n] = &lapic[n];
	}
	vioapic_init(&ioapic, 0, how & 4 ? VIOAPIC_PINS_MAX : VIOAPIC_PINS, 0, &fake_host, NULL);
	vpic_init(&pic, &fake_host, NULL);
	vpit_init(&pit, &fake_host, NULL);
	vuart_init(&uart, &uart_ops, NULL, &fake_host, NULL);
	vacpi_init(&acpi, &fake_host, NULL, acpi_sci);
	vrtc_init(&rtc, &fake_host, NULL, rtc_irq, take(4));
	tx_room = 0;
	held = 0;
	if (!(how & 8))
		return;
	vpic_firmware(&pic);
	for (uint32_t n = 0; n < CPUS; n++)
		vlapic_firmware(&lapic[n]);
}

/* --- what must hold between two steps --- */

static void check_lapic(const struct vlapic *v)
{
	int pending = vlapic_pending(v);
	uint32_t top = 0;

	for (uint32_t w = 0; w < 4; w++) {
		check(!v->irr[w] || v->irr_sum & 1u << w);
		check(!!v->isr[w] == !!(v->isr_sum & 1u << w));
		if (v->isr[w])
			top = w * 64 + 63 - (uint32_t)__builtin_clzll(v->isr[w]);
	}
	check(!(v->irr[0] & 0xffff) && !(v->isr[0] & 0xffff));
	check(v->ppr >> 4 == max_u64(v->tpr >> 4, top >> 4) && v->tpr < 256);
	check(pending < 0 ||
	      ((uint32_t)pending >> 4 > v->ppr >> 4 && pending == vlapic_requested(v)));
	check(!v->soft_on || v->base & IA32_APIC_BASE_EN);
	check(v->x2 == ((v->base & (IA32_APIC_BASE_EXTD | IA32_APIC_BASE_EN)) ==
			(IA32_APIC_BASE_EXTD | IA32_APIC_BASE_EN)));
	check(!v->running || v->period);
	check(v->expiry_frac < NS_PER_MS);
}

static void check_pit(const struct vpit_counter *c)
{
	check(c->count <= 65536 && c->next <= 65536 && c->mode <= 5 && c->access <= 3);
	check(!c->counting || c->count);
	check(c->frozen >= 0);
}

static void check_all(void)
{
	for (uint32_t n = 0; n < CPUS; n++)
		check_lapic(&lapic[n]);
	for (uint32_t n = 0; n < 3; n++)
		check_pit(&pit.counter[n]);
	check(uart.rx_count <= VUART_FIFO && uart.tx_count <= VUART_FIFO);
	check(uart.rx_head < VUART_FIFO && uart.tx_head < VUART_FIFO);
	check(!(uart.tx_count && uart.thre_due));
	for (uint32_t pin = 0; pin < ioapic.pins; pin++)
		check(!(vioapic_rte(&ioapic, pin) & VIOAPIC_RTE_STATUS));
	for (uint32_t n = 0; n < 2; n++)
		check(pic.chip[n].top < 8 && !(pic.chip[n].base & 7));
	check(fake.locked == 0);
	check(acpi.level == !!(acpi.status & acpi.enable));
	check(!rtc.level || rtc.flags & rtc.ram[0x0b]);
	check(fake.timers <= CPUS + 4);
}

/* --- steps --- */

static void lapic_step(struct vlapic *v)
{
	uint32_t reg = (uint32_t)take(1);
	uint64_t value = 0;

	switch (reg >> 6) {
	case 0:
		vlapic_mmio_write(v, reg << 4, 4, take(4));
		break;
	case 1:
		vlapic_mmio_read(v, (uint32_t)take(2) & 0xfff, (uint8_t)(1u << (reg & 3)));
		vlapic_mmio_write(v, (uint32_t)take(2) & 0xfff, (uint8_t)(1u << (reg & 3)),
				  take(4));
		break;
	case 2:
		if (!vlapic_msr_read(v, VLAPIC_MSR_FIRST + (reg & 63), &value))
			check(v->x2);
		if (!vlapic_msr_write(v, VLAPIC_MSR_FIRST + (reg & 63), take(1 + (reg & 7))))
			check(v->x2);
		break;
	default:
		value = take(2) << 8;
		vlapic_set_base(v, reg & 1 ? VLAPIC_BASE | (value & 0xf00) : value | take(4));
		vlapic_set_cr8(v, take(1) & 15);
		check(vlapic_cr8(v) < 16);
		break;
	}
}

static void lapic_time(struct vlapic *v)
{
	uint8_t how = (uint8_t)take(1);

	if (how & 1)
		vlapic_set_deadline(v, fake.now + v->tsc_offset + take(3));
	else if (how & 2)
		vlapic_set_deadline(v, take(8));
	else if (how & 4)
		vlapic_set_tsc_offset(v, take(8));
	vlapic_deadline(v);
}

static void take_interrupts(struct vlapic *v, bool eoi)
{
	int vector = vlapic_pending(v);

	if (vector >= 0) {
		vlapic_ack(v, (uint8_t)vector);
	} else if (v == &lapic[0] && vpic_pending(&pic) && vlapic_extint_enabled(v)) {
		vpic_ack(&pic);
		vlapic_extint_ack(v);
	}
	if (eoi)
		vlapic_eoi(v);
}

/* Time passes: in small steps, or by years. Timers fire late. */
static void pause_step(void)
{
	uint64_t until = fake.now + (take(1) << (take(1) & 63));

	if (until < fake.now || until >> 62)
		return;
	fake.now = until;
	for (uint32_t n = 0; n < TIMERS_STEP && fake.timers; n++) {
		struct timer *t = fake.timer[n % fake.timers];

		if (t->node.key > until)
			continue;
		fake_timer_cancel(NULL, t);
		t->fn(t);
	}
}

static void message_step(void)
{
	struct apic_msg m = {
		.dest = (uint32_t)take(2), .source = (uint32_t)take(1), .vector = (uint8_t)take(1)};
	uint8_t bits = (uint8_t)take(1);

	m.mode = bits & 7;
	m.shorthand = bits >> 3 & 3;
	m.logical = bits & 0x20;
	m.dest8 = bits & 0x40;
	m.level = bits & 0x80;
	check(vlapic_route(fake.lapic, CPUS, &m) <= CPUS);
}

static void uart_step(uint8_t op)
{
	uint8_t reg = (uint8_t)take(1);

	switch (op & 3) {
	case 0:
		vuart_read(&uart, reg);
		break;
	case 1:
		vuart_write(&uart, reg, (uint8_t)take(1));
		break;
	case 2:
		tx_room = reg & 31;
		vuart_tx_room(&uart);
		check(!uart.tx_count || !tx_room);
		break;
	default:
		held = reg;
		if (reg & 1 && vuart_rx_room(&uart))
			uart_taken(NULL);
		else if (reg & 2)
			vuart_rx_break(&uart);
		vuart_set_lines(&uart, reg);
		break;
	}
}

/* The clock's registers, and ACPI's. */
static void board_step(uint8_t op)
{
	uint8_t size = (uint8_t)(1 << op % 3);

	if (op & 0x80)
		vrtc_write(&rtc, op & 0x40, (uint8_t)take(1));
	else if (op & 0x40)
		vrtc_read(&rtc, true);
	else if (op & 0x20)
		vacpi_write(&acpi, (uint32_t)take(1) % VACPI_PORTS, size, (uint32_t)take(size));
	else
		vacpi_read(&acpi, (uint32_t)take(1) % VACPI_PORTS, size);
}

static void chip_step(uint8_t op)
{
	static const uint16_t pic_port[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};
	uint16_t port = pic_port[op % ARRAY_SIZE(pic_port)];

	if (op & 0x80) {
		port = op & 8 ? VPIT_NMI_PORT : VPIT_PORT + (op & 3);
		if (op & 0x40)
			vpit_read(&pit, port);
		else
			vpit_write(&pit, port, (uint8_t)take(1));
	} else if (op & 0x40) {
		vpic_read(&pic, port);
	} else {
		vpic_write(&pic, port, (uint8_t)take(1));
	}
}

/* An entry as system software writes it: a legal vector, not masked. */
static void rte_step(void)
{
	uint32_t pin = (uint32_t)take(1) & 31;

	vioapic_mmio_write(&ioapic, 0, 4, 0x11 + 2 * pin);
	vioapic_mmio_write(&ioapic, 0x10, 4, take(1) << 24);
	vioapic_mmio_write(&ioapic, 0, 4, 0x10 + 2 * pin);
	vioapic_mmio_write(&ioapic, 0x10, 4, (take(2) & 0xafff) | 0x10);
}

static void ioapic_step(uint8_t op)
{
	if (op & 0x10) {
		rte_step();
		return;
	}
	if (op & 1)
		vioapic_mmio_write(&ioapic, 0, 4, take(1));
	if (op & 2)
		vioapic_mmio_write(&ioapic, 0x10, 4, take(4));
	else if (op & 4)
		vioapic_mmio_write(&ioapic, (uint32_t)take(2), (uint8_t)(1 << (op >> 6)), take(4));
	else
		vioapic_mmio_read(&ioapic, op & 8 ? 0x10 : (uint32_t)take(2), 4);
}

static void line_step(uint8_t op)
{
	uint32_t line = (uint32_t)take(1);

	if (op & 1)
		vpic_pulse(&pic, line & 31);
	else if (op & 2)
		vioapic_set(&ioapic, line & 0x80 ? line : line & 31, op & 8);
	else
		isa_line(line & 15, op & 8);
	if (op & 0x10)
		vlapic_lint(&lapic[line % CPUS], line >> 7, op & 8);
}

static void step(void)
{
	uint8_t op = (uint8_t)take(1);
	struct vlapic *v = &lapic[(op >> 4) % CPUS];

	switch (op & 15) {
	case 0 ... 3:
		lapic_step(v);
		break;
	case 4:
		lapic_time(v);
		break;
	case 5:
	case 6:
		take_interrupts(v, op & 1);
		break;
	case 7:
		pause_step();
		break;
	case 8:
		message_step();
		break;
	case 9:
		board_step((uint8_t)take(1));
		break;
	case 10:
		uart_step((uint8_t)take(1));
		break;
	case 11:
	case 12:
		chip_step((uint8_t)take(1));
		break;
	case 13:
		ioapic_step((uint8_t)take(1));
		break;
	case 14:
		line_step((uint8_t)take(1));
		break;
	default:
		vlapic_accept(v, (uint8_t)take(1), op & 0x80);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	left = size;
	power_on();
	while (left) {
		fake.msgs = 0;
		step();
		for (uint32_t n = 0; n < CPUS; n++)
			if (fake.kicked & BIT(32 + n))
				vlapic_init_signal(&lapic[n]);
		fake.kicked = 0;
		check(fake.msgs < CALLS_STEP);
		check_all();
	}
	return 0;
}
