/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists keep their order; locks let in one at a time, in the order of asking. */
/* sources: lib/lock.c */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/list.h"
#include "lib/lock.h"

struct item {
	int value;
	struct list link;
};

static void check_list(struct list *l, const int *values, uint32_t n)
{
	struct item *item;
	uint32_t i = 0;

	list_for_each (item, l, link) {
		assert_true(i < n);
		assert_int_equal(item->value, values[i]);
		assert_ptr_equal(item->link.next->prev, &item->link);
		i++;
	}
	assert_int_equal(i, n);
	assert_int_equal(list_empty(l), !n);
}

static void test_list(void **state)
{
	struct list l = LIST_INIT(l);
	struct item item[4] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}};

	(void)state;
	check_list(&l, NULL, 0);
	list_add_tail(&l, &item[1].link);
	list_add_tail(&l, &item[3].link);
	list_add(&l, &item[0].link);
	list_add_tail(&item[3].link, &item[2].link);
	check_list(&l, (const int[]){0, 1, 2, 3}, 4);
	assert_ptr_equal(list_first(&l, struct item, link), &item[0]);
	assert_ptr_equal(list_entry(l.prev, struct item, link), &item[3]);
	list_del(&item[1].link);
	check_list(&l, (const int[]){0, 2, 3}, 3);
	list_del(&item[1].link); /* again: nothing */
	list_del(&item[3].link);
	list_del(&item[0].link);
	check_list(&l, (const int[]){2}, 1);
	list_del(&item[2].link);
	check_list(&l, NULL, 0);
}

#define THREADS 4
#define ROUNDS	5000

static struct lock lock = LOCK_INIT;
static uint32_t inside, count;

static void *worker(void *arg)
{
	bool *alone = arg;

	for (int i = 0; i < ROUNDS; i++) {
		lock_acquire(&lock);
		*alone &= ++inside == 1;
		count++;
		inside--;
		lock_release(&lock);
	}
	return NULL;
}

static void test_lock(void **state)
{
	pthread_t thread[THREADS];
	bool alone[THREADS] = {true, true, true, true};

	(void)state;
	lock = (struct lock){UINT32_MAX - 100, UINT32_MAX - 100}; /* the tickets wrap on the way */
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, worker, &alone[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_true(alone[i]);
	}
	assert_int_equal(count, THREADS * ROUNDS);
	assert_int_equal(lock.next, lock.serving);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_lock),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
