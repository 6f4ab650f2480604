/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of the wake-up protocol between CPUs, and of the flush of a changed nested table, for spin. One CPU with one
 * vCPU, and perhaps somebody else's window on it; two senders of events; one who changes the table. When nothing can
 * move any more, no event may be left and no old translation be in use.
 *
 * The names are those of the code: sched/sched.c, vm/vcpu.c, vm/run.c, svm/vcpu.c. MUTATION=n breaks it in one place; make
 * check demands that each break is found.
 */

#ifndef MUTATION
#define MUTATION 0
#endif

#define SENDERS 2
#define CHANGES 2

bool requests, ipi;		  /* of the CPU; a pending interrupt */
bool lock_held;			  /* of its queue */
bool queued = true, current;	  /* the vCPU is in the queue; it is the one that runs */
bool halted;			  /* its state, of its own CPU only */
byte events;			  /* what senders have set and nobody has taken */
byte taken;			  /* how many were */
bool window = true;		  /* somebody else's window: the vCPU cannot run */
bool flush;
byte table_now, table_seen;	  /* version of the table; of what the processor caches of it */
bool in_guest;

inline acquire()
{
	atomic { !lock_held -> lock_held = true }
}

inline release()
{
	lock_held = false
}

/* sched_kick of another CPU */
inline kick()
{
	atomic { before = requests; requests = true }
	if
	:: !before -> ipi = true
	:: else
	fi
}

/* vcpu_raise: set the event, wake, kick if it is current */
proctype sender()
{
	bool before, woken;

#if MUTATION != 1
	atomic { events++ }
#endif
	acquire();
	woken = false;
	if
	:: !queued ->
		queued = true;
		/* queue_shut_out */
		woken = !window
	:: else
	fi;
	release();
	if
	:: woken -> kick()
	:: else
	fi;
#if MUTATION == 1
	/* the event after the wake-up */
	atomic { events++ }
#endif
#if MUTATION != 2
	/* (2: nobody tells a running vCPU) */
	if
	:: current -> kick()
	:: else
	fi
#endif
}

/* memory_changed: the table, the flag, the kick */
proctype changer()
{
	bool before;

again:
	table_now++;
#if MUTATION == 3
	kick();
	flush = true;
#else
	flush = true;
	kick();
#endif
	if
	:: table_now < CHANGES -> goto again
	:: else
	fi
}

/* The window ends: the CPU's own timer. */
proctype table_of_windows()
{
	window = false;
	ipi = true
}

inline take_interrupt()
{
	/* the handlers of the IPI and of the timer: to have come is all, the timer's sets the request itself */
	atomic { ipi = false; requests = true }
}

/* sched_block: out of the queue, unless something is pending under the lock */
inline block()
{
	acquire();
#if MUTATION == 4
	/* the look was before the lock */
	queued = false;
	current = false;
	requests = true;
#else
	if
	:: queued && !events -> queued = false; current = false; requests = true
	:: else
	fi;
#endif
	release()
}

active proctype cpu()
{
	bool wants, look;

	run sender();
	run sender();
	run changer();
	run table_of_windows();
loop:
#if MUTATION != 6
	requests = false; /* requests_take */
#endif
	/* sched_pick; the exchange of current is a full barrier */
#if MUTATION == 5
	look = events > 0;
#endif
	acquire();
	wants = queued && !window;
	current = wants;
	release();
#if MUTATION == 6
	requests = false;
#endif
#if MUTATION != 5
	look = events > 0;
#endif
	if
	:: !wants ->
		/* cpu_sleep, or another's guest: interrupts are off for the look, STI's shadow covers HLT */
		if
		:: requests
		:: !requests -> ipi -> take_interrupt()
		fi;
		goto loop
	:: else
	fi;
again:
	/* vcpu_events: what has come ends a halt */
	if
	:: look -> atomic { taken = taken + events; events = 0 }; halted = false
	:: else
	fi;
	if
	:: halted ->
		if
		:: !events -> block()
		:: else
		fi;
		goto loop
	:: else
	fi;
	/* svm_run: from CLGI on an interrupt is pending */
	if
	:: requests -> goto loop
	:: else
	fi;
#if MUTATION == 7
	if
	:: flush -> table_seen = table_now; flush = false
	:: else
	fi;
#else
	if
	:: flush -> flush = false; table_seen = table_now
	:: else
	fi;
#endif
	in_guest = true;
	if
	:: true -> ipi; in_guest = false; take_interrupt() /* it computes for ever */
	:: true -> in_guest = false; halted = true	   /* HLT exits */
	fi;
	look = events > 0;
	goto again
}

/* Nothing moves any more. */
active proctype monitor()
{
	timeout;
	assert(!events);
	assert(taken == SENDERS);
	assert(!in_guest || table_seen == table_now);
	assert(!in_guest || queued)
}
