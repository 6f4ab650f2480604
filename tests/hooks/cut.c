/* SPDX-License-Identifier: BSD-2-Clause */
/* Test only: nested faults in the middle of a delivery, which go away as soon as they were seen. */

#include "tests/hooks/cut.h"
#include "lib/types.h"
#include "tests/hooks/hooks.h"
#include "vm/vm.h"

void __wrap_exit_npf(struct vcpu *v);
void __real_exit_npf(struct vcpu *v);

static struct {
	bool armed;
	uint64_t page, bits, count, event;
} cut;

void __wrap_exit_npf(struct vcpu *v)
{
	const struct exit *x = &v->arch.exit;

	if (!cut.armed || x->info.npf.gpa.v >> PAGE_SHIFT != cut.page) {
		__real_exit_npf(v);
		return;
	}
	cut.armed = false;
	hook_nested_flip(v, cut.page << PAGE_SHIFT, cut.bits);
	cut.count++;
	if (x->interrupted.valid)
		cut.event = HOOK_CUT_EVENT(x->interrupted.type, x->interrupted.vector);
}

int64_t hook_cut(struct vcpu *v, uint64_t call, uint64_t b, uint64_t c)
{
	uint64_t seen = cut.event << 32 | cut.count;

	cut.count = 0;
	cut.event = 0;
	if (call == HOOK_CUT) {
		cut.page = b >> PAGE_SHIFT;
		cut.bits = c;
		hook_nested_flip(v, b, c);
		cut.armed = true;
	}
	return (int64_t)seen;
}
