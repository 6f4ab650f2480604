/* SPDX-License-Identifier: BSD-2-Clause */
/* The one page-table walker, for every tree of 512-entry tables; a struct ptab_format describes each kind. */

#ifndef LIB_PTAB_H
#define LIB_PTAB_H

#include "lib/types.h"

/*
 * The tree, four levels deep. A table is a 4 KiB frame of 512 entries of 8 bytes; nine bits of the address select the
 * entry at each level, the rest is the offset in the page:
 *
 *   address   |47    39|38    30|29    21|20    12|11     0|
 *              level 3  level 2  level 1  level 0   offset
 *                 |        |        |        |
 *   root --> +----|---+    |        |        |
 *            |    v   |    v        |        |
 *            | table -----> +-----+ |        |
 *            |        |     |table----> +----v+        |
 *            +--------+     |     |     |table---> +---v--+
 *                           | leaf---+  |     |    | leaf----> 4 KiB page
 *                           +-----+  |  | leaf--+  +------+
 *                                    |  +-----+ |
 *                                    v          +--------------> 2 MiB page
 *                                1 GiB page
 *
 * An entry is absent, or points to the table one level down, or is a leaf: at level 0 always, above if the format's
 * leaf test says so. An entry of level n spans 2^(12 + 9n) bytes.
 *
 * One writer at a time (the caller's lock). Processors, and readers in software, may walk at any moment: every change
 * of an entry is one 64-bit store of a finished value, tables are filled before they are linked, and a table is
 * unlinked only where the caller says that nobody walks (PTAB_FREE). Dropping TLB entries is the caller's.
 */

#define PTAB_SHIFT	9 /* address bits that a level decodes */
#define PTAB_ENTRIES	512
#define PTAB_LEVELS_MAX 5

/* Levels of the common page sizes, for max_leaf and struct ptab_leaf. */
#define PTAB_4K 0
#define PTAB_2M 1
#define PTAB_1G 2

/* Bytes that an entry of @level spans. */
#define PTAB_SPAN(level) (1ULL << (PAGE_SHIFT + PTAB_SHIFT * (level)))

/*
 * A kind of table. Attributes are bits of a leaf as they stand at level 0; everything in @attr may be asked for, and
 * at least one bit of @present must be.
 */
struct ptab_format {
	uint8_t leaf_max; /* highest level whose entries may be leaves, the hardware permitting */
	bool sign_extended; /* the bits above the highest decoded one are copies of it (canonical addresses) */
	uint64_t present; /* an entry with any of these set is present */
	uint64_t address; /* bits of an entry that hold a physical address */
	uint64_t attr;	  /* attributes that a leaf may have */
	uint64_t
		leaf_mask; /* above level 0, an entry is a leaf if (entry & leaf_mask) == leaf_value */
	uint64_t leaf_value;
	uint64_t moved;	   /* the attribute that large leaves keep elsewhere, 0: none (x86: PAT) */
	uint64_t moved_to; /* ... and where */
	uint64_t hardware; /* attributes that the processor sets by itself (accessed, dirty) */
	uint64_t table
		[PTAB_LEVELS_MAX]; /* what an entry of each level carries that points to a table */
};

/* Where tables come from. */
struct ptab_mem {
	int (*alloc)(void *arg, hpa_t *out); /* a zeroed frame: 0, else no frame */
	void (*free)(void *arg, hpa_t frame);
	uint64_t *(*ptr)(void *arg,
			 hpa_t frame); /* its entries; never NULL for a frame from alloc */
};

struct ptab {
	const struct ptab_format *fmt;
	hpa_t root;
	uint8_t levels; /* the root is at level levels - 1 */
	uint8_t max_leaf; /* highest level at which ptab_map makes leaves: PTAB_4K, PTAB_2M, PTAB_1G */
	const struct ptab_mem *mem;
	void *mem_arg;
};

/* What an address is translated by. */
struct ptab_leaf {
	hpa_t pa;      /* of the address itself, not of its page */
	uint64_t attr; /* as given to ptab_map, and what the hardware has set */
	uint64_t
		size; /* bytes that the entry spans: of the page, or of the hole if nothing is mapped */
	uint8_t level; /* of the entry */
};

#define PTAB_FREE \
	BIT(0) /* nobody walks the range, nor can have cached its tables: unlink and free empty ones */

/*
 * Make @p an empty table with a root of its own. @levels 3 to 5, @max_leaf at most the format's.
 * 0, -EINVAL, -ENOMEM.
 */
int ptab_init(struct ptab *p, const struct ptab_format *fmt, uint8_t levels, uint8_t max_leaf,
	      const struct ptab_mem *mem, void *mem_arg);

/* Unmap everything, free all tables and the root. Nobody may walk it. Its time grows with the number of tables. */
void ptab_destroy(struct ptab *p);

/*
 * Map [@addr, @addr + @size) to [@pa, …) with @attr, replacing what was mapped there, in the largest pages that the
 * alignment of both, max_leaf, and tables that are already there allow (those stay, and are filled). A large leaf
 * that is covered in part is split. All or nothing: where it fails, every address translates as before.
 * 0, -EINVAL (unaligned, empty, or attributes that the format does not have), -ERANGE (@addr or @pa), -ENOMEM.
 */
int ptab_map(struct ptab *p, uint64_t addr, hpa_t pa, uint64_t size, uint64_t attr);

/*
 * Unmap [@addr, @addr + @size), whatever is mapped there. Large leaves covered in part are split. Tables stay unless
 * @flags has PTAB_FREE. All or nothing. 0, -EINVAL, -ERANGE, -ENOMEM (only for a split).
 */
int ptab_unmap(struct ptab *p, uint64_t addr, uint64_t size, uint32_t flags);

/* Translate @addr. 0, -ENOENT (then level and size say how large the hole is, pa and attr are 0), -ERANGE. */
int ptab_lookup(const struct ptab *p, uint64_t addr, struct ptab_leaf *out);

/* For reports: the raw entries on the way to @addr, from the root. How many were read; the last one ends the walk. */
uint32_t ptab_walk_path(const struct ptab *p, uint64_t addr, uint64_t entry[PTAB_LEVELS_MAX]);

#endif
