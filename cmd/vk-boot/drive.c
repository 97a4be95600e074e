/* SPDX-License-Identifier: MIT */
/* drive.c - a disk as the user asks for it */
#include "cmd/vk-boot/drive.h"

#include "cmd/vk-boot/image.h"
#include "cmd/vk-boot/virtio/blk.h"

#include "common/scope.h"
#include "common/size.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- what is asked ---- */

/* A word that stands in the agent's configuration and in file names. */
static int
take_word(
    char *into, size_t size, const char *what, const char *value, struct err *e)
{
	size_t len = strlen(value);

	if (len == 0 || len >= size)
		return err_set(e, EX_USAGE, "%s=%s: not 1 to %zu characters",
		    what, value, size - 1);
	for (const char *p = value; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return err_set(e, EX_USAGE,
			    "%s=%s: letters, digits, . _ and - only", what,
			    value);
	memcpy(into, value, len + 1);
	return 0;
}

static int
take_size(uint64_t *size, const char *what, const char *value, struct err *e)
{
	if (size_parse(value, size) < 0 || *size == 0)
		return err_set(
		    e, EX_USAGE, "%s=%s: not a size (512M, 2G)", what, value);
	*size = (*size + DISK_CLUSTER - 1) / DISK_CLUSTER * DISK_CLUSTER;
	return 0;
}

/* One of a few words; their numbers are those of an enum. */
static int
take_choice(int *choice, const char *const *words, const char *what,
    const char *value, struct err *e)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0) {
			*choice = i;
			return 0;
		}
	return err_set(e, EX_USAGE, "%s=%s: not known", what, value);
}

static int
take_mount(struct drive_wish *wish, const char *value, struct err *e)
{
	if (*value != '/' || strpbrk(value, " \t\n") || !value[1])
		return err_set(e, EX_USAGE,
		    "mount=%s: not an absolute path without spaces", value);
	wish->mount = value;
	return 0;
}

static int
take_label(struct drive_wish *wish, const char *value, struct err *e)
{
	if (!*value || strlen(value) > DRIVE_LABEL_MAX)
		return err_set(e, EX_USAGE, "label=%s: not 1 to %d characters",
		    value, DRIVE_LABEL_MAX);
	wish->label = value;
	return 0;
}

static int
take_overlay(struct drive_wish *wish, const char *value, struct err *e)
{
	if (!*value)
		return err_set(e, EX_USAGE, "overlay=: no file named");
	wish->disk.write = false;
	if (strcmp(value, "tmp") != 0)
		wish->disk.overlay = value;
	return 0;
}

static int
take_cache(struct drive_wish *wish, const char *value, struct err *e)
{
	static const char *const caches[] = {
	    [DISK_WRITEBACK] = "writeback",
	    [DISK_NONE] = "none",
	    [DISK_UNSAFE] = "unsafe",
	    NULL,
	};
	int choice = 0;

	if (take_choice(&choice, caches, "cache", value, e) < 0)
		return -1;
	wish->disk.cache = (enum disk_cache)choice;
	return 0;
}

static int
take_format(struct drive_wish *wish, const char *value, struct err *e)
{
	static const char *const formats[] = {
	    [DISK_RAW] = "raw",
	    [DISK_QCOW2] = "qcow2",
	    NULL,
	};
	int choice = 0;

	if (take_choice(&choice, formats, "format", value, e) < 0)
		return -1;
	wish->disk.format = (enum disk_format)choice;
	return 0;
}

static int
parse_member(struct drive_wish *wish, char *member, struct err *e)
{
	char *value = strchr(member, '=');

	if (strcmp(member, "ro") == 0) {
		wish->disk.read_only = true;
		return 0;
	}
	if (!value)
		return err_set(e, EX_USAGE, "%s: not known", member);
	*value++ = '\0';
	if (strcmp(member, "size") == 0)
		return take_size(&wish->size, member, value, e);
	if (strcmp(member, "id") == 0)
		return take_word(wish->id, sizeof(wish->id), member, value, e);
	if (strcmp(member, "serial") == 0)
		return take_word(
		    wish->serial, sizeof(wish->serial), member, value, e);
	if (strcmp(member, "mount") == 0)
		return take_mount(wish, value, e);
	if (strcmp(member, "from") == 0) {
		wish->from = value;
		return 0;
	}
	if (strcmp(member, "fs") == 0)
		return take_word(wish->fs, sizeof(wish->fs), member, value, e);
	if (strcmp(member, "label") == 0)
		return take_label(wish, value, e);
	if (strcmp(member, "cache") == 0)
		return take_cache(wish, value, e);
	if (strcmp(member, "overlay") == 0)
		return take_overlay(wish, value, e);
	if (strcmp(member, "overlay-max") == 0)
		return take_size(&wish->disk.overlay_max, member, value, e);
	if (strcmp(member, "format") == 0)
		return take_format(wish, value, e);
	if (strcmp(member, "backing") == 0 && strcmp(value, "any") == 0) {
		wish->disk.any_backing = true;
		return 0;
	}
	return err_set(e, EX_USAGE, "%s=: not known", member);
}

/* What does not go together. */
static int
check(const struct drive_wish *wish, struct err *e)
{
	bool overlaid = !wish->disk.write;

	if (wish->disk.read_only && (overlaid || wish->size || wish->from))
		return err_set(e, EX_USAGE,
		    "ro goes with neither overlay=, size= nor from=");
	if (wish->from && !wish->mount && strcmp(wish->fs, "ext4") != 0)
		return err_set(
		    e, EX_USAGE, "from= needs mount= or fs=ext4 to be of use");
	if (wish->disk.overlay_max && !overlaid)
		return err_set(e, EX_USAGE, "overlay-max= needs overlay=");
	if (wish->disk.cache == DISK_NONE &&
	    (overlaid || wish->disk.format != DISK_RAW))
		return err_set(e, EX_USAGE,
		    "cache=none is for raw files without overlay=");
	if ((wish->size || wish->from) && wish->disk.format != DISK_RAW)
		return err_set(
		    e, EX_USAGE, "size= and from= make raw files only");
	return 0;
}

int
drive_parse(
    struct drive_wish *wish, const char *text, unsigned number, struct err *e)
{
	char *at, *member;

	*wish = (struct drive_wish){
	    .text = strdup(text),
	    .disk = {.write = true},
	};
	if (!wish->text)
		return err_errno(e, EX_OSERR, "%s", text);
	at = wish->text;
	wish->disk.path = strsep(&at, ",");
	if (!*wish->disk.path)
		return err_set(e, EX_USAGE, "no file named");
	while ((member = strsep(&at, ",")))
		if (parse_member(wish, member, e) < 0)
			return -1;
	if (!wish->id[0])
		snprintf(wish->id, sizeof(wish->id), "disk%u", number);
	if (!wish->serial[0])
		memcpy(wish->serial, wish->id, sizeof(wish->serial));
	return check(wish, e);
}

void
drive_wish_release(struct drive_wish *wish)
{
	free(wish->text);
	wish->text = NULL;
}

void
drive_config(const struct drive_wish *wish, struct buf *config)
{
	if (wish->mount)
		buf_printf(config, "mount serial=%s %s %s %s,%s\n",
		    wish->serial, wish->mount, wish->fs,
		    wish->disk.read_only ? "ro" : "rw,x-grow",
		    wish->if_missing ? "x-missing" : "x-required");
}

/* ---- the file ---- */

/* A file that is there and smaller than what is wanted grows; none shrinks. */
static int
enlarge(const struct drive_wish *wish, struct err *e)
{
	cleanup_fd int fd = open(wish->disk.path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, 0, "%s", wish->disk.path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size >= wish->size)
		return 0;
	/* Not under another VM that has it open. */
	if (disk_lock(fd, wish->disk.path, true, e) < 0)
		return -1;
	if (ftruncate(fd, (off_t)wish->size) < 0)
		return err_errno(e, EX_IOERR, "%s", wish->disk.path);
	return 0;
}

/* What is to be mounted has to be one of the known file systems, or named. */
static int
prove_file_system(
    const struct drive *drive, struct drive_wish *wish, struct err *e)
{
	struct image image;

	if (!wish->mount || wish->fs[0])
		return 0;
	if (wish->disk.format != DISK_RAW)
		return err_set(e, EX_USAGE,
		    "mount=%s: fs= has to be named for what is not raw",
		    wish->mount);
	if (image_identify(drive->disk.base, &image, e) < 0) {
		if (e->hint[0] == '\0')
			err_hint(e, "fs=TYPE mounts another one");
		return err_prefix(e, "%s", wish->disk.path);
	}
	snprintf(wish->fs, sizeof(wish->fs), "%s", image_type_name(image.type));
	return 0;
}

int
drive_open(struct drive *drive, struct drive_wish *wish, struct err *e)
{
	bool making = wish->size || wish->from;

	*drive = (struct drive){.disk = {.base = -1, .overlay = -1}};
	memcpy(drive->id, wish->id, sizeof(drive->id));
	memcpy(drive->serial, wish->serial, sizeof(drive->serial));
	if (making && access(wish->disk.path, F_OK) < 0 && errno == ENOENT &&
	    drive_make(wish, e) < 0)
		return -1;
	if (wish->size && enlarge(wish, e) < 0)
		return -1;
	if (disk_open(&drive->disk, &wish->disk, e) < 0)
		return -1;
	return prove_file_system(drive, wish, e);
}

bool
drive_keeps(const struct drive *drive)
{
	return disk_keeps(&drive->disk);
}

/* ---- the device ---- */

struct virtio_device *
drive_attach(
    struct drive *drive, const struct gmem *mem, unsigned queues, struct err *e)
{
	struct blk_config config = {
	    .disk = &drive->disk,
	    .serial = drive->serial,
	    .queues = queues,
	};
	char name[sizeof(drive->id) + 8];

	snprintf(name, sizeof(name), "disk %s", drive->id);
	drive->loop = loop_new(name, e);
	if (drive->loop)
		drive->device = blk_new(drive->loop, mem, &config, e);
	return drive->device;
}

void
drive_detach(struct drive *drive)
{
	/* What is under way needs the guest's memory. */
	if (drive->device)
		virtio_device_stop(drive->device);
	loop_end(drive->loop);
}

void
drive_close(struct drive *drive)
{
	drive_detach(drive);
	virtio_device_free(drive->device);
	loop_free(drive->loop);
	drive->device = NULL;
	drive->loop = NULL;
	disk_close(&drive->disk);
}
