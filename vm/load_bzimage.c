/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux bzImage by the 32-bit entry of its boot protocol, 2.12 or later (Documentation/arch/x86/boot.rst). */

#include "vm/load_priv.h"
#include "lib/string.h"

#define SECTOR		 512
#define SETUP_SECTS_OLD	 4  /* what a setup_sects of 0 means */
#define PARAGRAPH	 16 /* the unit of syssize */
#define BOOT_FLAG	 0xaa55
#define HEADER_MAGIC	 0x53726448 /* "HdrS" */
#define PROTOCOL_MIN	 0x020c
#define LOADFLAG_HIGH	 0x01 /* the protected-mode part goes to 1 MiB or above */
#define LOADER_UNDEFINED 0xff
#define LOAD_FIXED	 0x100000 /* where a kernel that is not relocatable is loaded */
#define HEADER_BASE	 0x202	  /* the jump at 0x200 counts from its end */
#define HEADER_END_MIN	 0x264	  /* init_size included */
#define BOOT_FLAG_OFFSET 0x1fe
#define MAGIC_OFFSET	 0x202

/* The setup header, in the file and in the zero page at the same offset ("The Real-Mode Kernel Header"). */
#define HEADER_OFFSET 0x1f1
struct setup_header {
	uint8_t setup_sects;
	uint16_t root_flags;
	uint32_t syssize; /* of the protected-mode part, in paragraphs */
	uint16_t ram_size, vid_mode, root_dev, boot_flag;
	uint8_t jump, jump_offset;
	uint32_t header;
	uint16_t version;
	uint32_t realmode_swtch;
	uint16_t start_sys_seg, kernel_version;
	uint8_t type_of_loader, loadflags;
	uint16_t setup_move_size;
	uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
	uint16_t heap_end_ptr;
	uint8_t ext_loader_ver, ext_loader_type;
	uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
	uint8_t relocatable_kernel, min_alignment;
	uint16_t xloadflags;
	uint32_t cmdline_size, hardware_subarch;
	uint64_t hardware_subarch_data;
	uint32_t payload_offset, payload_length;
	uint64_t setup_data, pref_address;
	uint32_t init_size, handover_offset, kernel_info_offset;
} PACKED;
_Static_assert(offsetof(struct setup_header, boot_flag) == BOOT_FLAG_OFFSET - HEADER_OFFSET,
	       "boot.rst");
_Static_assert(offsetof(struct setup_header, header) == MAGIC_OFFSET - HEADER_OFFSET, "boot.rst");
_Static_assert(offsetof(struct setup_header, cmd_line_ptr) == 0x228 - HEADER_OFFSET, "boot.rst");
_Static_assert(offsetof(struct setup_header, pref_address) == 0x258 - HEADER_OFFSET, "boot.rst");
_Static_assert(offsetof(struct setup_header, init_size) == 0x260 - HEADER_OFFSET, "boot.rst");

/* The zero page (Documentation/arch/x86/zero-page.rst). */
#define ZERO_SCREEN	0x000
#define ZERO_RSDP	0x070
#define ZERO_E820_COUNT 0x1e8
#define ZERO_E820	0x2d0
#define ZERO_E820_MAX	128

struct e820_entry {
	uint64_t base, size;
	uint32_t type;
} PACKED;
_Static_assert(ZERO_E820 + ZERO_E820_MAX * sizeof(struct e820_entry) <= PAGE_SIZE, "zero-page.rst");

/* What the kernel calls screen_info (include/uapi/linux/screen_info.h). */
struct screen_info {
	uint8_t x, y;
	uint16_t ext_mem_k, page;
	uint8_t mode, cols, flags, unused2;
	uint16_t ega_bx, unused3;
	uint8_t lines, is_vga;
	uint16_t points;
	uint16_t lfb_width, lfb_height, lfb_depth;
	uint32_t lfb_base, lfb_size;
	uint16_t cl_magic, cl_offset, lfb_linelength;
	uint8_t red_size, red_pos, green_size, green_pos, blue_size, blue_pos, rsvd_size, rsvd_pos;
	uint16_t vesapm_seg, vesapm_off, pages, vesa_attributes;
	uint32_t capabilities, ext_lfb_base;
	uint8_t reserved[2];
} PACKED;
_Static_assert(sizeof(struct screen_info) == 0x40, "zero-page.rst");
_Static_assert(offsetof(struct screen_info, lfb_linelength) == 0x24, "screen_info.h");
_Static_assert(offsetof(struct screen_info, ext_lfb_base) == 0x3a, "screen_info.h");

#define SCREEN_TYPE_VGA	 1    /* is_vga: VGA text */
#define SCREEN_TYPE_EFI	 0x70 /* is_vga: a linear framebuffer whose lfb_size is in bytes */
#define SCREEN_CAP_64BIT 0x2  /* ext_lfb_base holds the upper half of the address */
#define TEXT_MODE	 3
#define TEXT_COLS	 80
#define TEXT_LINES	 25
#define TEXT_POINTS	 16
#define TEXT_EGA_BX	 3 /* 256 KiB, colour: what INT 10h AH=12h BL=10h returns for a VGA */

bool bzimage_is(const struct image *image)
{
	uint32_t magic;
	uint16_t flag;

	if (image->size < MAGIC_OFFSET + sizeof(magic))
		return false;
	if (image->read(image->arg, BOOT_FLAG_OFFSET, &flag, sizeof(flag)) < 0 ||
	    image->read(image->arg, MAGIC_OFFSET, &magic, sizeof(magic)) < 0)
		return false;
	return flag == BOOT_FLAG && magic == HEADER_MAGIC;
}

/* Read the header and refuse what this loader cannot boot. What the file's header does not have is cleared. */
static int header_read(struct load *l, struct setup_header *h)
{
	uint32_t end;
	int err = load_read(l, l->r->kernel, HEADER_OFFSET, h, sizeof(*h), "the setup header");

	if (err)
		return err;
	end = HEADER_BASE + h->jump_offset;
	if (h->version < PROTOCOL_MIN)
		return load_fail(l, -ENOEXEC,
				 "the kernel's boot protocol is %u.%02u, 2.12 or later is needed",
				 h->version >> 8, h->version & 0xff);
	if (end < HEADER_END_MIN)
		return load_fail(l, -ENOEXEC,
				 "the setup header ends at 0x%x, too early for its protocol", end);
	if (end < HEADER_OFFSET + sizeof(*h))
		memset((uint8_t *)h + (end - HEADER_OFFSET), 0, HEADER_OFFSET + sizeof(*h) - end);
	if (!(h->loadflags & LOADFLAG_HIGH))
		return load_fail(l, -ENOEXEC, "the kernel is a zImage, which loads below 1 MiB");
	if (!h->kernel_alignment || (h->kernel_alignment & (h->kernel_alignment - 1)))
		return load_fail(l, -ENOEXEC, "the kernel's alignment 0x%x is not a power of two",
				 h->kernel_alignment);
	if (!h->init_size || !h->syssize)
		return load_fail(l, -ENOEXEC, "the kernel says that it has no size");
	return 0;
}

/* Where in the file the protected-mode part is. What stands behind it (a signature) is copied with it. */
static int payload_find(struct load *l, const struct setup_header *h, uint64_t *off, uint64_t *len)
{
	uint64_t sects = h->setup_sects ? h->setup_sects : SETUP_SECTS_OLD,
		 size = (uint64_t)h->syssize * PARAGRAPH;
	uint64_t file = l->r->kernel->size;

	*off = (sects + 1) * SECTOR;
	if (*off > file || size > file - *off)
		return load_fail(l, -ENOEXEC,
				 "the image is truncated: it has %llu bytes, its header says %llu",
				 (unsigned long long)file, (unsigned long long)(*off + size));
	if (size > h->init_size)
		return load_fail(l, -ENOEXEC,
				 "the kernel is larger (0x%llx) than the memory it asks for (0x%x)",
				 (unsigned long long)size, h->init_size);
	*len = min_u64(file - *off, h->init_size);
	return 0;
}

/*
 * Claim the memory that the kernel runs in until it has read its memory map: init_size from the load address, which
 * is the preferred address or, for a relocatable kernel, an aligned one above it (below, it would move itself up).
 */
static int kernel_place(struct load *l, const struct setup_header *h, uint64_t *base)
{
	uint64_t align = max_u64(h->kernel_alignment, PAGE_SIZE), pref = h->pref_address;

	if (pref < LOAD_FIXED || pref >= LOAD_4G)
		return load_fail(l, -ENOEXEC,
				 "the kernel wants to run at 0x%llx, outside of 1 MiB to 4 GiB",
				 (unsigned long long)pref);
	if (!h->relocatable_kernel) {
		*base = LOAD_FIXED;
		return load_claim(l, LOAD_FIXED, pref - LOAD_FIXED + h->init_size,
				  "the kernel (not relocatable)");
	}
	if (IS_ALIGNED(pref, align) && load_is_free(l, pref, h->init_size)) {
		*base = pref;
		return load_claim(l, pref, h->init_size, "the kernel");
	}
	return load_alloc_low(l, h->init_size, align, pref, LOAD_4G, "the kernel", base);
}

static int cmdline_put(struct load *l, struct setup_header *h)
{
	const char *cmdline = l->r->cmdline ? l->r->cmdline : "";
	uint64_t base;
	int err;

	if (strlen(cmdline) > h->cmdline_size)
		return load_fail(l, -E2BIG,
				 "the command line has %zu characters, this kernel takes %u",
				 strlen(cmdline), h->cmdline_size);
	err = load_put_string(l, cmdline, "the command line", &base);
	h->cmd_line_ptr = (uint32_t)base;
	return err;
}

static int initrd_put(struct load *l, struct setup_header *h)
{
	uint64_t base = 0;
	int err;

	h->ramdisk_image = 0;
	h->ramdisk_size = 0;
	if (!l->r->initrd)
		return 0;
	err = load_put_image(l, l->r->initrd, (uint64_t)h->initrd_addr_max + 1, "the initrd",
			     &base);
	if (err)
		return err;
	h->ramdisk_image = (uint32_t)base;
	h->ramdisk_size = (uint32_t)l->r->initrd->size;
	return 0;
}

/* Bits of a pixel above all colours: the kernel's simple framebuffers match on them too. */
static void screen_reserved(struct screen_info *s)
{
	uint64_t top = max_u64(
		max_u64((uint64_t)s->red_pos + s->red_size, (uint64_t)s->green_pos + s->green_size),
		(uint64_t)s->blue_pos + s->blue_size);

	if (top >= s->lfb_depth)
		return;
	s->rsvd_pos = (uint8_t)top;
	s->rsvd_size = (uint8_t)(s->lfb_depth - top);
}

/*
 * The EFI type, not VESA's: efifb takes 64-bit addresses, needs no EFI runtime, and both lead to sysfb's simple
 * framebuffer where that is built in.
 */
static int screen_linear(struct load *l, const struct load_screen *from, struct screen_info *s)
{
	uint64_t size = (uint64_t)from->pitch * from->height;

	if (from->width > UINT16_MAX || from->height > UINT16_MAX || from->pitch > UINT16_MAX)
		return load_fail(l, -ERANGE,
				 "a framebuffer of %ux%u pixels is too large for the boot protocol",
				 from->width, from->height);
	s->is_vga = SCREEN_TYPE_EFI;
	s->lfb_width = (uint16_t)from->width;
	s->lfb_height = (uint16_t)from->height;
	s->lfb_depth = from->bpp;
	s->lfb_base = (uint32_t)from->base.v;
	s->lfb_size = (uint32_t)size;
	s->lfb_linelength = (uint16_t)from->pitch;
	s->red_size = from->red_size;
	s->red_pos = from->red_pos;
	s->green_size = from->green_size;
	s->green_pos = from->green_pos;
	s->blue_size = from->blue_size;
	s->blue_pos = from->blue_pos;
	screen_reserved(s);
	s->pages = 1;
	s->ext_lfb_base = (uint32_t)(from->base.v >> 32);
	if (s->ext_lfb_base)
		s->capabilities |= SCREEN_CAP_64BIT;
	return 0;
}

static int screen_put(struct load *l, uint64_t zero_page)
{
	const struct load_screen *from = l->r->screen;
	struct screen_info s = {0};
	int err = 0;

	if (!from || from->kind == SCREEN_NONE)
		return 0;
	if (from->kind == SCREEN_LINEAR) {
		err = screen_linear(l, from, &s);
	} else {
		s.is_vga = SCREEN_TYPE_VGA;
		s.x = from->column;
		s.y = from->row;
		s.mode = TEXT_MODE;
		s.cols = TEXT_COLS;
		s.lines = TEXT_LINES;
		s.points = TEXT_POINTS;
		s.ega_bx = TEXT_EGA_BX;
	}
	return err ? err : load_write(l, zero_page + ZERO_SCREEN, &s, sizeof(s));
}

static int e820_put(struct load *l, uint64_t zero_page)
{
	uint8_t count = (uint8_t)l->t->map_count;
	struct e820_entry e;
	uint32_t i;
	int err;

	if (l->t->map_count > ZERO_E820_MAX)
		return load_fail(l, -E2BIG,
				 "the guest's memory map has %u entries, this protocol takes %u",
				 l->t->map_count, ZERO_E820_MAX);
	for (i = 0; i < l->t->map_count; i++) {
		e.base = l->t->map[i].base.v;
		e.size = l->t->map[i].size;
		e.type = l->t->map[i].type;
		err = load_write(l, zero_page + ZERO_E820 + i * sizeof(e), &e, sizeof(e));
		if (err)
			return err;
	}
	return load_write(l, zero_page + ZERO_E820_COUNT, &count, sizeof(count));
}

static int zero_page_put(struct load *l, const struct setup_header *h, uint64_t zero_page)
{
	int err = load_zero(l, zero_page, PAGE_SIZE);

	if (!err)
		err = screen_put(l, zero_page);
	if (!err)
		err = load_write(l, zero_page + ZERO_RSDP, &l->r->rsdp.v, sizeof(l->r->rsdp.v));
	if (!err)
		err = load_write(l, zero_page + HEADER_OFFSET, h, sizeof(*h));
	return err ? err : e820_put(l, zero_page);
}

static int kernel_put(struct load *l, struct setup_header *h)
{
	uint64_t off = 0, len = 0, base = 0;
	int err = payload_find(l, h, &off, &len);

	if (err)
		return err;
	err = kernel_place(l, h, &base);
	if (err)
		return err;
	h->code32_start = (uint32_t)base;
	l->out->low = GPA(base);
	l->out->high = GPA(base + len);
	return load_copy(l, base, l->r->kernel, off, len);
}

int load_bzimage(struct load *l)
{
	struct setup_header h;
	uint64_t zero_page;
	int err;

	if (l->r->module_count)
		return load_fail(l, -ENOSYS, "a bzImage takes no modules, only an initrd");
	err = header_read(l, &h);
	if (!err)
		err = kernel_put(l, &h);
	if (!err)
		err = load_alloc_own(l, PAGE_SIZE, PAGE_SIZE, "the zero page", &zero_page);
	if (!err)
		err = cmdline_put(l, &h);
	if (!err)
		err = initrd_put(l, &h);
	if (!err)
		err = load_put_gdt(l, false);
	if (err)
		return err;
	h.type_of_loader = LOADER_UNDEFINED;
	h.loadflags = LOADFLAG_HIGH;
	h.setup_data = 0;
	err = zero_page_put(l, &h, zero_page);
	if (err)
		return err;
	load_state_protected(l, h.code32_start);
	l->out->gpr[RSI] = zero_page;
	l->out->form = "Linux bzImage";
	return 0;
}
