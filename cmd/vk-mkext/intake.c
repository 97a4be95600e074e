/* SPDX-License-Identifier: MIT */
/* intake.c - entries on their way from a source into the tree */
#include "cmd/vk-mkext/intake.h"

#include "cmd/vk-mkext/inode.h"
#include "common/log.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void
intake_init(struct intake *in, struct tree *tree, struct store *store,
    const struct intake_rules *rules)
{
	*in = (struct intake){.tree = tree, .store = store, .rules = rules};
	xattr_draft_init(&in->xattrs);
}

void
intake_release(struct intake *in)
{
	xattr_draft_release(&in->xattrs);
}

/* A path's next name; *length is 0 at its end. */
static const char *
next_name(const char *path, size_t *length)
{
	for (;;) {
		path += strspn(path, "/");
		*length = strcspn(path, "/");
		if (*length != 1 || *path != '.')
			return path;
		path++;
	}
}

/* Matches one pattern with a path and with each of its parents, as the tree
 * understands them: "a//./b" and "x/../a/b" are "a/b". */
static bool
matches(const char *pattern, const char *path)
{
	bool anywhere = !strchr(pattern, '/');
	char part[PATH_MAX] = "";
	size_t have = 0, length;

	while (*pattern == '/')
		pattern++;
	while ((path = next_name(path, &length)), length > 0) {
		const char *name = path;

		path += length;
		if (length == 2 && memcmp(name, "..", 2) == 0) {
			while (have > 0 && part[--have] != '/')
				continue;
			continue;
		}
		if (anywhere)
			have = 0;
		if (length + 1 >= sizeof(part) - have)
			break;
		if (have > 0)
			part[have++] = '/';
		memcpy(part + have, name, length);
		have += length;
		part[have] = 0;
		if (fnmatch(pattern, part, FNM_PATHNAME) == 0)
			return true;
	}
	return false;
}

bool
intake_excludes(const struct intake_rules *r, const char *path)
{
	for (size_t i = 0; i < r->exclude_count; i++)
		if (matches(r->excludes[i], path))
			return true;
	return false;
}

void
intake_note(struct intake_note *n, const char *where)
{
	if (n->count++ == 0)
		snprintf(n->first, sizeof(n->first), "%s", where);
}

/* ext4 keeps these; sockets are left out before. */
static bool
has_type(uint16_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) ||
	       S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode);
}

/* Linux takes a symbolic link's target from the inode if no blocks are counted
 * for it, and attributes in inodes of their own are counted. e2fsck takes it
 * from there if it is short. So there is no place that is right for both. */
static bool
loses_target(const struct xattr_sets *xattrs, const struct meta *m)
{
	return S_ISLNK(m->mode) && strlen(m->target) < INODE_TARGET_MAX &&
	       xattr_value_blocks(xattrs, m->xattrs) > 0;
}

int
intake_entry(struct intake *in, const char *path, struct meta *m,
    uint32_t *object, struct err *e)
{
	*object = 0;
	if (in->progress)
		in->progress(in->with);
	if (S_ISSOCK(m->mode)) {
		intake_note(&in->sockets, path);
		in->xattrs.bytes.len = 0;
		return 0;
	}
	if (!has_type(m->mode))
		return err_set(e, EX_DATAERR, "%s: an entry of no type", path);
	if (in->rules->owner) {
		m->uid = in->rules->uid;
		m->gid = in->rules->gid;
	}
	if (xattr_keep(&in->tree->xattrs, &in->xattrs, &m->xattrs, e) < 0)
		return err_prefix(e, "%s", path);
	if (loses_target(&in->tree->xattrs, m))
		return err_set(e, EX_DATAERR,
		    "%s: more than 4 KiB of attributes of a short symbolic "
		    "link, which Linux could not follow",
		    path);
	return tree_make(in->tree, path, m, object, e);
}

int
intake_link(struct intake *in, const char *path, const char *target,
    uint32_t *object, struct err *e)
{
	if (in->progress)
		in->progress(in->with);
	in->xattrs.bytes.len = 0;
	if (intake_excludes(in->rules, target))
		return err_set(e, EX_DATAERR,
		    "%s: a hard link to %s, which is left out", path, target);
	return tree_link(in->tree, path, target, object, e);
}

int
intake_acl(struct intake *in, struct meta *m, enum xattr_space space,
    struct acl *acl, struct err *e)
{
	uint8_t encoded[ACL_SIZE_MAX];

	if (space == XATTR_ACL_ACCESS) {
		m->mode = acl_mode(acl, m->mode);
		if (acl_is_mode(acl))
			return 0;
	}
	return xattr_add_raw(
	    &in->xattrs, space, "", encoded, acl_encode(acl, encoded), e);
}

static int
take_acl(struct intake *in, struct meta *m, enum xattr_space space,
    const void *value, size_t length, struct err *e)
{
	struct acl acl;

	if (acl_parse(&acl, value, length, e) < 0)
		return -1;
	return intake_acl(in, m, space, &acl, e);
}

int
intake_xattr(struct intake *in, struct meta *m, const char *name,
    const void *value, size_t length, struct err *e)
{
	int taken;

	if (strcmp(name, "system.posix_acl_access") == 0)
		return take_acl(in, m, XATTR_ACL_ACCESS, value, length, e);
	if (strcmp(name, "system.posix_acl_default") == 0)
		return take_acl(in, m, XATTR_ACL_DEFAULT, value, length, e);
	taken = xattr_add(&in->xattrs, name, value, length, e);
	if (taken == 0)
		intake_note(&in->attributes, name);
	return taken < 0 ? -1 : 0;
}

static void
report(const struct intake_note *n, const char *one, const char *many)
{
	if (n->count == 1)
		log_warn("%s: %s, left out", n->first, one);
	else if (n->count > 1)
		log_warn("%s and %" PRIu64 " more: %s, left out", n->first,
		    n->count - 1, many);
}

void
intake_report(const struct intake *in)
{
	report(&in->sockets, "a socket", "sockets");
	report(&in->attributes, "an extended attribute that ext4 cannot hold",
	    "extended attributes that ext4 cannot hold");
	report(&in->names, "an ACL entry for a name without a number",
	    "ACL entries for names without a number");
}
