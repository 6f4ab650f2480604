/* SPDX-License-Identifier: BSD-2-Clause */
/* Configurations that must be refused, each with what is said; and times that just fit or just do not. */
/* sources: vm/admit.c vm/admit_time.c vm/admit_parts.c vm/config.c vm/config_keys.c vm/config_values.c lib/sha256.c lib/printf.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vm/admit.h"

static struct config config;
static char errors[65536];

static const struct mem_range ranges[] = {
	{.base = {0x100000}, .size = 255 * MIB, .type = MEM_RAM},
};
static const struct machine_module modules[] = {
	{"linux", 8 * MIB},
	{"empty", 0	   },
};
static const struct machine_function functions[] = {
	{0, 0x0000, true },
	{0, 0x0020, false},
	{0, 0x0021, false},
};

static int digest(void *arg, uint32_t index, uint8_t out[SHA256_SIZE])
{
	(void)arg;
	(void)index;
	memset(out, 0x11, SHA256_SIZE);
	return 0;
}

static struct machine machine(void)
{
	return (struct machine){.cpus = 4,
				.features = REQUIRE_NESTED_PAGING | REQUIRE_INVARIANT_TSC |
					    REQUIRE_IOMMU,
				.ranges = ranges,
				.range_count = ARRAY_SIZE(ranges),
				.modules = modules,
				.module_count = ARRAY_SIZE(modules),
				.functions = functions,
				.function_count = ARRAY_SIZE(functions),
				.digest = digest,
				.final = true};
}

static void note(void *arg, const struct config_error *e)
{
	size_t used = strlen(errors);

	(void)arg;
	snprintf(errors + used, sizeof(errors) - used, "%u:%u:%s: %s\n", e->at.line, e->at.col,
		 e->word, e->text);
}

/* Errors of a text, those of the parser or else of admission; one per line. */
static const char *refusal_on(const char *text, size_t len, struct machine m)
{
	struct config_report rep = {.error = note, .max = 100};
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	errors[0] = '\0';
	if (!config_parse(copy, (uint32_t)len, &config, &rep))
		admit(&config, &m, &rep);
	free(copy);
	return errors;
}

static const char *refusal(const char *text)
{
	return refusal_on(text, strlen(text), machine());
}

#define VM(name)  "[vm " name "]\ncpus = 0\nmemory = 16M\nkernel = linux\n" /* four lines */
#define SERVICE	  "[vm service]\nrole = service\ncpus = 0\nmemory = rest\nkernel = linux\n"
#define FRAME	  "[system]\nframe = 10ms\n"
#define A	  VM("a")
#define DIGITS_62 "00000000000000000000000000000000000000000000000000000000000000"
#define NAME_32	  "abcdefghijklmnopqrstuvwxyzabcdef"

/* What is said must begin a line of the errors, and there are as many lines as newlines in it. */
struct refusal {
	const char *text, *said;
};

static const struct refusal refused[] = {
	/* form */
	{"",									   "0:0:: there is no VM: a [vm NAME] section is needed\n"		    },
	{"# nothing\n\n",							      "0:0:: there is no VM"						},
	{"cpus = 0\n" A,							       "1:1:cpus: this key stands before the first section\n"	       },
	{A "hello\n",								  "5:1:hello: neither '[section]' nor 'key = value'\n"		  },
	{A "= 5\n",								    "5:1:= 5: the key before '=' is missing\n"			      },
	{A "cmdline =\n",							      "5:1:cmdline: this key has no value\n"				},
	{A "cpu = 0\n",								"5:1:cpu: unknown key in this section\n"				},
	{A "frame = 10ms\n",							   "5:1:frame: unknown key in this section\n"			       },
	{A "Memory = 4K\n",							    "5:1:Memory: unknown key in this section\n"			       },
	{A "memory = 4M\n",							    "5:1:memory: this key is already in line 3\n"			 },
	{"[system]\n[system]\n" A,						     "2:1:[system]: [system] is already in line 1\n"			  },
	{"[system] x\n" A,							     "1:1:[system] x: a section's line must end with ']'\n"		 },
	{"[guest a]\n" A,							      "1:1:[guest a]: unknown section; there are [system] and [vm NAME]\n"},
	{"[vm a\n",								    "1:1:[vm a: a section's line must end with ']'\n"		     },
	{"[vm]\n",								     "1:4:: a name is missing\n"					      },
	{"[vm a b]\n",								 "1:5:a b: a name may have letters"					 },
	{"[vm " NAME_32 "]\n",
	 "1:5:" NAME_32 ": a name of 32 characters; at most 31 are allowed\n"									      },
	{"[vm none]\ncpus = 0\nmemory = 4M\nkernel = linux\n",
	 "1:5:none: no VM can have this name"													      },
	{A "cmdline = a\001b\n",						       "5:12:?: a control character (code 1)\n"				 },
	{A "cmdline = \033[2J\n",						      "5:11:?: a control character (code 27)\n"			   },
 /* numbers, sizes, durations */
	{"[vm a]\ncpus = 0\nmemory = 16MB\nkernel = linux\n",			      "3:10:16MB: not a size"					     },
	{"[vm a]\ncpus = 0\nmemory = -1\nkernel = linux\n",			    "3:10:-1: not a size"						 },
	{"[vm a]\ncpus = 0\nmemory = 0\nkernel = linux\n",				   "3:10:0: a size of 0\n"						  },
	{"[vm a]\ncpus = 0\nmemory = 5000\nkernel = linux\n",
	 "3:10:5000: memory comes in multiples of 4K\n"												    },
	{"[vm a]\ncpus = 0\nmemory = 16777216T\nkernel = linux\n",
	 "3:10:16777216T: this size does not fit into 64 bits\n"											   },
	{"[vm a]\ncpus = 0\nmemory = 99999999999999999999\nkernel = linux\n",
	 "3:10:99999999999999999999: this size does not fit into 64 bits\n"										},
	{"[vm a]\ncpus = zero\nmemory = 4M\nkernel = linux\n",			       "2:8:zero: not a number"					       },
	{"[vm a]\ncpus = 256\nmemory = 4M\nkernel = linux\n",
	 "2:8:256: out of range: from 0 to 255 is allowed\n"											       },
	{"[vm a]\ncpus = 3-1\nmemory = 4M\nkernel = linux\n",
	 "2:8:3-1: this range of CPUs runs backwards\n"												    },
	{"[vm a]\ncpus = 0,,1\nmemory = 4M\nkernel = linux\n",			       "2:10:: not a number"						    },
	{"[vm a]\ncpus = 0-64\nmemory = 4M\nkernel = linux\n",			       "2:8:0-64: more than 64 vCPUs\n"				       },
	{"[system]\nframe = 10\n" A,						   "2:9:10: not a duration"					     },
	{"[system]\nframe = 1us\n" A,
	 "2:9:1us: out of range: from 100us to 10000000us is allowed\n"										    },
	{"[system]\nframe = 99999999999999999999s\n" A,
	 "2:9:99999999999999999999s: this duration does not fit"											   },
	{"[system]\nreserve = 512K\n" A,
	 "2:11:512K: the hypervisor needs a reserve of at least 1M\n"										      },
	{"[system]\nrequire = iommu, wings\n" A,					 "2:18:wings: not one of: nested-paging"				},
	{"[system]\non-refusal = reboot\n" A,					      "2:14:reboot: expected: reboot after DURATION\n"		      },
	{"[system]\non-refusal = panic\n" A,					     "2:14:panic: not one of: halt, reboot after"			 },
	{"[system]\non-end = explode\n" A,					     "2:10:explode: not one of: halt, poweroff, reboot\n"		       },
 /* words of a VM */
	{A "role = god\n",							     "5:8:god: not one of: isolated, service\n"			     },
	{A "on-exit = explode\n",						      "5:11:explode: not one of: stop, restart, poweroff\n"	       },
	{A "on-fault = poweroff\n",						    "5:12:poweroff: not one of: restart, stop\n"			},
	{A "debug-exit = 0x10000\n",						   "5:14:0x10000: out of range: from 0 to 65535 is allowed\n"	       },
	{A "flat = 0x1000\n",							  "5:8:0x1000: expected: ADDRESS real"				  },
	{A "flat = 0x1000 unreal\n",						   "5:15:unreal: not one of: real, protected, long\n"		       },
	{A "flat = 0x100000 real\n",						   "5:8:0x100000: a real mode image starts below 1M"		      },
	{A "flat = 0x100000000 long\n",						"5:8:0x100000000: out of range"				       },
	{A "initrd = a, b\n",							  "5:10:a,: only one module can be given here\n"			    },
	{A "initrd = a b\n",							   "5:12:b: unexpected after a module's name"			       },
	{A "initrd = a sha256:12\n",
	 "5:12:sha256:12: a SHA-256 digest has 64 hexadecimal digits, this one has 2\n"								       },
	{A "initrd = a sha256:zz" DIGITS_62 "\n",					  "5:12:sha256:zz"							  },
	{A "modules = linux,\n",						       "5:17:: a module's name is missing\n"				      },
	{A "modules = a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\n",			    "5:43:a: more than 16 modules\n"				    },
	{A "weight = 0\n",							     "5:10:0: out of range: from 1 to 10000 is allowed\n"		       },
	{A "watchdog = 1us\n",							 "5:12:1us: out of range"					       },
	{A "device = 00:04.0\n",						       "5:10:00:04.0: expected: pci [SEGMENT:]BUS:DEVICE.FUNCTION"	    },
	{A "device = pci 00:20.0\n",						   "5:10:pci 00:20.0: expected: pci"				      },
	{A "device = pci 00:04.8\n",						   "5:10:pci 00:04.8: expected: pci"				      },
	{A "share = t 4K\n",							   "5:9:t 4K: expected: NAME SIZE rw"				       },
	{A "share = t 4K wo\n",							"5:9:t 4K wo: expected: NAME SIZE rw"				     },
	{A "window = 1ms\n",							   "5:10:1ms: expected DURATION at DURATION\n"				},
	{A "window = 0ms at 1ms\n",						    "5:10:0ms at 1ms: a window of no length\n"			      },
	{A "reserve = 2ms every 1ms\n",						"5:11:2ms every 1ms: the budget must be more than 0"		    },
	{A "reserve = 1ms of 2ms\n",						   "5:15:of: expected DURATION every DURATION\n"			  },
	{A "donate = maybe\n",							 "5:10:maybe: not one of: yes, no\n"				  },
 /* the whole */
	{"[vm a]\n",								   "1:5:a: this VM has no 'cpus'\n1:5:a: this VM has no 'memory'\n"
		     "1:5:a: this VM has no 'kernel'\n"										},
	{A A,									  "5:5:a: a VM of this name is already in line 1\n"		       },
	{SERVICE "[vm s2]\nrole = service\ncpus = 1\nmemory = rest\nkernel = linux\n",
	 "7:8:s2: there can be only one service guest\n"												   },
	{"[vm s]\nrole = service\ncpus = 0\nmemory = 64M\nkernel = linux\n",
	 "4:10:s: a service guest's memory must be 'rest'\n"											       },
	{"[vm a]\ncpus = 0\nmemory = rest\nkernel = linux\n",
	 "3:10:a: only a service guest's memory can be 'rest'\n"											   },
	{VM("service"),								"1:5:service: only a service guest can have this name\n"		},
	{"[system]\npower = b\n" A,						    "2:9:b: there is no VM of this name\n"				  },
	{"[system]\nrequire = smap\n" A,					       "2:11:smap: required, but this machine has it not\n"		     },
	{"[vm a]\ncpus = 4\nmemory = 16M\nkernel = linux\n",
	 "2:8:a: there is no CPU 4, this machine runs 4 (0 to 3)\n"											},
	{"[vm a]\ncpus = 0\nmemory = 16M\nkernel = linus\n",
	 "4:10:linus: the boot loader passed no module of this name\n"										     },
	{A "initrd = empty\n",							 "5:10:empty: this module is empty\n"				   },
	{A "initrd = linux sha256:12" DIGITS_62 "\n",
	 "5:10:linux: this module's SHA-256 is not the one given here\n"										   },
	{"[vm a]\ncpus = 0\nmemory = 4M\nkernel = linux\n",
	 "3:10:a: the images of this VM are larger than its memory\n"										      },
	{"[vm a]\ncpus = 0\nmemory = 240M\nkernel = linux\n",
	 "3:10:a: too little memory: 245760 KiB are asked for, 244736 KiB are left\n"									     },
	{"[system]\nreserve = 1G\n" A,						 "2:11:: too little memory: the hypervisor's reserve"		   },
 /* windows and budgets */
	{A "window = 1ms at 0ms\n",						    "5:10:a: windows need the length of a frame: [system] frame\n"	  },
	{FRAME A "window = 1ms at 10ms\n",					     "7:10:a: this window ends outside of the frame"			  },
	{FRAME A "window = 2ms at 9ms\n",
	 "7:10:a: this window ends outside of the frame of 10000 us\n"										     },
	{FRAME A "window = 11ms at 0ms\n",					     "7:10:a: this window ends outside of the frame"			  },
	{FRAME A "window = 2ms at 0ms, 2ms at 1ms\n",
	 "7:22:a: this window overlaps one of VM 'a' (line 7, column 10) on CPU 0\n"									    },
	{FRAME A "window = 2ms at 0ms\n" VM("b") "window = 2ms at 1999us\n",
	 "12:10:b: this window overlaps one of VM 'a' (line 7, column 10) on CPU 0\n"									     },
	{A "donate = yes\n",							   "5:10:a: donate is for windows, this VM has none\n"			},
	{A "reserve = 600ms every 1s\n" VM("b") "reserve = 500ms every 1s\n",
	 "10:11:b: the budgets on CPU 0 come to 110.0%, its windows leave 100.0%\n"									   },
	{A "reserve = 1s every 20s\n",						 "5:11:a: a period is at most 10 seconds\n"				 },
	{FRAME A "window = 5ms at 0ms\n" VM("b") "reserve = 6ms every 10ms\n",
	 "12:11:b: the budgets on CPU 0 come to 60.0%, its windows leave 49.9%\n"										 },
	{FRAME A "window = 5ms at 0ms\n" VM("b") "reserve = 1ms every 5ms\n",
	 "12:11:b: the budgets on CPU 0 need 1000 us in 5000 us, its windows leave 0 us of them\n"							  },
	{FRAME A "window = 5ms at 0ms\n" VM("b") "reserve = 1ms every 6004us\n",
	 "12:11:b: the budgets on CPU 0 need 1000 us in 6004 us, its windows leave 999 us of them\n"							    },
	{FRAME A "window = 9496us at 0ms\n" SERVICE,
	 "10:8:service: the budgets on CPU 0 come to 5.0%, its windows leave 4.9%\n"									    },
	{FRAME A "window = 10ms at 0ms\n" SERVICE,
	 "10:8:service: the budgets on CPU 0 come to 5.0%, its windows leave 0.0%\n"									    },
 /* devices and regions */
	{A "device = pci 00:05.0\n",						   "5:10:a: there is no PCI function 0:0:5.0\n"			 },
	{A "device = pci 00:00.0\n",						   "5:10:a: a bridge cannot be given to a VM\n"			 },
	{A "device = pci 00:04.0, pci 00:04.0\n",
	 "5:23:a: this device is already VM 'a's (line 5)\n"											       },
	{A "device = pci 00:04.0\n" VM("b") "device = pci 0:0:4.0\n",
	 "10:10:b: this device is already VM 'a's (line 5)\n"											      },
	{SERVICE "device = pci 00:04.0\n",
	 "6:10:service: the service guest has every device that nobody else is given\n"								       },
	{A "share = t 4K rw\n",							"5:9:a: no other VM shares the region 't'\n"			    },
	{A "share = t 4K rw, t 4K ro\n" VM("b") "share = t 4K ro\n",
	 "5:18:a: this VM names the region 't' twice\n"												    },
	{A "share = t 4K rw\n" VM("b") "share = t 8K ro\n",
	 "10:9:b: the region 't' has 4096 bytes in line 5\n"											       },
	{A "share = t 4K ro\n" VM("b") "share = t 4K ro\n",
	 "5:9:a: nobody may write to the region 't'\n"												     },
	{A "share = t 100 rw\n" VM("b") "share = t 100 rw\n",
	 "5:9:a: a shared region's size is 4K or a larger"
	 " power of two\n10:9:b: a shared region's size is"												},
};
_Static_assert(ARRAY_SIZE(refused) >= 60, "at least sixty");

/* The same of shared regions. */
static const struct refusal shares[] = {
	{A "share = t 12K rw\n" VM("b") "share = t 12K rw\n",
	 "5:9:a: a shared region's size is 4K or a larger power of two\n"
	 "10:9:b: a shared region's size is 4K or a larger power of two\n"														},
	{A "share = t 4K rw none\n",
	 "5:9:t 4K rw none: expected: NAME SIZE rw, NAME SIZE ro or NAME SIZE none\n"												     },
	{A "share = t 0 rw\n",										 "5:11:0: a size of 0\n"						      },
	{A "share = t, u 4K rw\n",									     "5:9:t: expected: NAME SIZE rw"						  },
	{A
	 "share = a 4K rw, b 4K rw, c 4K rw, d 4K rw, e 4K rw, f 4K rw, g 4K rw, h 4K rw, i 4K rw\n",
	 "5:81:i 4K rw: more than 8 shared regions\n"																     },
	{A "share = t 4K none\n" VM("b") "share = t 4K none\n",
	 "5:9:a: nobody may write to the region 't'\n"																    },
	{A "share = t 4K none\n" VM("b") "share = t 4K ro\n",
	 "5:9:a: nobody may write to the region 't'\n"																    },
	{A "share = t 4K none\n",									      "5:9:a: no other VM shares the region 't'\n"				      },
	{A "share = t 128M rw, u 4K rw\n" VM("b") "share = t 128M none, u 4K ro\n",
	 "5:9:a: a VM sees at most 128 MiB of shared regions\n"															   },
	{A "share = t 128M rw, u 64M none\n" VM(
		 "b") "share = t 128M none, u 64M rw\n"
		      "[vm c]\ncpus = 0\nmemory = 64M\nkernel = linux\n",			     "13:10:c: too little memory: 65536 KiB are asked for, 15360 KiB are left\n"},
	{A "share = t 16M rw\n" VM("b") "share = t 16M none\n[system]\nreserve = 250M\n",
	 "0:0:: too little memory: the shared regions have 16384 KiB, 5120 KiB are left\n"
	 "3:10:a: too little memory: 16384 KiB are asked for, 5120 KiB are left\n"
	 "8:10:b: too little memory: 16384 KiB are asked for, 5120 KiB are left\n"													},
};

/* How many sentences: a cut-off last one counts. */
static size_t lines(const char *s)
{
	size_t n = 0;

	for (const char *p = s; *p; p++)
		n += *p == '\n';
	return n + (*s && s[strlen(s) - 1] != '\n');
}

static void check_table(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *got = refusal(rows[i].text);

		if (strncmp(got, rows[i].said, strlen(rows[i].said)) ||
		    lines(got) != lines(rows[i].said))
			fail_msg("%zu:\n%swanted\n%sgot\n%s", i, rows[i].text, rows[i].said, got);
	}
}

static void test_table(void **state)
{
	(void)state;
	check_table(refused, ARRAY_SIZE(refused));
	check_table(shares, ARRAY_SIZE(shares));
}

/* What each row above breaks is the only thing that is wrong with it. */
static void test_admitted(void **state)
{
	static const char *const good[] = {
		A,
		SERVICE A,
		FRAME A
		"window = 2ms at 0ms, 2ms at 2ms\ndonate = yes\n" VM("b") "window = 6ms at 4ms\n",
		FRAME A "window = 10ms at 0ms\n"
			"[vm b]\ncpus = 1\nmemory = 16M\nkernel = linux\nwindow = 10ms at 0ms\n",
		A "reserve = 500ms every 1s\n" VM("b") "reserve = 250ms every 500ms\n",
		/* the 5 us before the window, its 5 ms and then 1 ms: the budget of a stretch that begins so */
		FRAME A "window = 5ms at 0ms\n" VM("b") "reserve = 1ms every 6005us\n",
		FRAME A "window = 9494us at 0ms\n" SERVICE,
		A "device = pci 00:04.0\n" VM("b") "device = pci 00:04.1\n",
		A "share = t 4K rw\n" VM("b") "share = t 4K ro\n" VM("c") "share = t 4K ro\n",
		A "share = t 64M rw, u 64M none\n" VM("b") "share = u 64M rw, t 64M none\n",
		A
		"initrd = linux sha256:1111111111111111111111111111111111111111111111111111111111111111\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const char *got = refusal(good[i]);

		if (*got)
			fail_msg("%s%s", good[i], got);
	}
}

/* Without what they need, machines refuse. */
static void test_machine(void **state)
{
	const char *text = FRAME A "window = 1ms at 0ms\ndevice = pci 00:04.0\n";
	struct machine m = machine();

	(void)state;
	assert_string_equal(refusal(text), "");
	m.features = REQUIRE_NESTED_PAGING;
	assert_string_equal(
		refusal_on(text, strlen(text), m),
		"7:10:a: windows need an invariant, synchronised TSC, which this machine has not\n"
		"8:10:a: devices need an IOMMU, which this machine has not\n");
	m = machine();
	m.final = false;
	assert_string_equal(refusal_on(text, strlen(text), m),
			    "8:10:: device is not supported by this version\n");
	m = machine();
	m.functions = NULL;
	m.modules = NULL;
	assert_string_equal(
		refusal_on(A "device = pci 00:1f.7\n", strlen(A "device = pci 00:1f.7\n"), m), "");
}

/* Texts that are hard to write down. */
static void test_hostile(void **state)
{
	size_t size = MIB, used = 0;
	char *text = malloc(size);
	const char *got;

	(void)state;
	memset(text, 'a', size);
	got = refusal_on(text, size, machine());
	assert_non_null(
		strstr(got, "1:1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...: neither"));
	memset(text, 0, size);
	got = refusal_on(text, size, machine());
	assert_non_null(strstr(got, "1:1:?: a control character (code 0)\n"));
	assert_int_equal(lines(got), 1);
	memset(text, '[', size);
	got = refusal_on(text, size, machine());
	assert_non_null(strstr(got, "a section's line must end with ']'"));
	for (uint32_t i = 0; i < CONFIG_VMS + 1; i++)
		used += (size_t)snprintf(text + used, size - used,
					 "[vm n%u]\ncpus = 1\nmemory = 1M\nkernel = linux\n", i);
	got = refusal_on(text, used, machine());
	assert_string_equal(got, "257:5:n64: more than 64 VMs\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_admitted),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("refused", tests, NULL, NULL);
}
