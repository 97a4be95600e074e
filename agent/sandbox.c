/* SPDX-License-Identifier: MIT */
/*
 * sandbox.c - less power for commands that nobody trusts
 *
 * The filter lets every call pass that containers are given by default, and
 * refuses (EPERM) what changes the machine or looks into others; a call that
 * is newer than the list answers ENOSYS, so that programs fall back.
 */
#include "agent/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY(name) (UINT64_C(1) << (name))

/* What a container's root keeps. */
static const uint64_t kept =
    CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) |
    CAPABILITY(CAP_FSETID) | CAPABILITY(CAP_FOWNER) | CAPABILITY(CAP_MKNOD) |
    CAPABILITY(CAP_NET_RAW) | CAPABILITY(CAP_SETGID) | CAPABILITY(CAP_SETUID) |
    CAPABILITY(CAP_SETFCAP) | CAPABILITY(CAP_SETPCAP) |
    CAPABILITY(CAP_NET_BIND_SERVICE) | CAPABILITY(CAP_SYS_CHROOT) |
    CAPABILITY(CAP_KILL) | CAPABILITY(CAP_AUDIT_WRITE);

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
/* Of Linux 6.8: lsm_list_modules. Later ones answer ENOSYS. */
#define LAST_CALL 461
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define LAST_CALL    461
#else
#error "the system call filter does not know this machine"
#endif

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif

static const unsigned refused[] = {
    SYS_acct,
    SYS_add_key,
    SYS_bpf,
    SYS_clock_settime,
    SYS_delete_module,
    SYS_fanotify_init,
    SYS_finit_module,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fsopen,
    SYS_fspick,
    SYS_get_mempolicy,
    SYS_init_module,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_uring_setup,
    SYS_kcmp,
    SYS_kexec_file_load,
    SYS_kexec_load,
    SYS_keyctl,
    SYS_lookup_dcookie,
    SYS_mbind,
    SYS_migrate_pages,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_move_pages,
    SYS_open_by_handle_at,
    SYS_open_tree,
    SYS_perf_event_open,
    SYS_pidfd_getfd,
    SYS_pivot_root,
    SYS_process_madvise,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_reboot,
    SYS_request_key,
    SYS_set_mempolicy,
    SYS_set_mempolicy_home_node,
    SYS_setdomainname,
    SYS_sethostname,
    SYS_setns,
    SYS_settimeofday,
    SYS_swapoff,
    SYS_swapon,
    SYS_syslog,
    SYS_umount2,
    SYS_unshare,
    SYS_userfaultfd,
    SYS_vhangup,
#if defined(__x86_64__)
    SYS_ioperm,
    SYS_iopl,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
#endif
};

#define REFUSED_COUNT (sizeof(refused) / sizeof(refused[0]))
#define CLONE_NAMESPACES                                                       \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* What containers may ask of personality(2): nothing, UNAME26, each with
 * PER_LINUX32 or without, and to be told what there is. */
#define ASK_PERSONALITY 0xffffffffu

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
/* If the loaded word equals k, the next statement runs, else it is left out. */
#define IF_EQUAL(k) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, 1)
#define UNLESS_EQUAL(k, skip)                                                  \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (skip))
#define IF_ABOVE(k) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (k), 0, 1)
#define IF_ANY(k)   BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (k), 0, 1)
#define REFUSE(e)   ANSWER(SECCOMP_RET_ERRNO | (e))

/* Seven statements: the mode lies in that argument. FIFOs and sockets may be
 * made by anybody. */
#define DEVICE_IS_REFUSED(argument)                                            \
	LOAD(offsetof(struct seccomp_data, args[argument])),                   \
	    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, S_IFMT), IF_EQUAL(S_IFCHR),    \
	    REFUSE(EPERM), IF_EQUAL(S_IFBLK), REFUSE(EPERM),                   \
	    ANSWER(SECCOMP_RET_ALLOW)

static int
install_filter(void)
{
	static const struct sock_filter head[] = {
	    LOAD(offsetof(struct seccomp_data, arch)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
	    REFUSE(ENOSYS),
	    LOAD(offsetof(struct seccomp_data, nr)),
	    IF_ABOVE(LAST_CALL), /* x32's are above it, too */
	    REFUSE(ENOSYS),
	    IF_EQUAL(SYS_clone3), /* its flags lie in memory: use clone */
	    REFUSE(ENOSYS),
	};
	static const struct sock_filter tail[] = {
	    UNLESS_EQUAL(SYS_socket, 4),
	    LOAD(offsetof(struct seccomp_data, args[0])),
	    IF_EQUAL(AF_VSOCK), /* the host, past every firewall */
	    REFUSE(EPERM),
	    ANSWER(SECCOMP_RET_ALLOW),
	    UNLESS_EQUAL(SYS_mknodat, 7),
	    DEVICE_IS_REFUSED(2),
#ifdef SYS_mknod
	    UNLESS_EQUAL(SYS_mknod, 7),
	    DEVICE_IS_REFUSED(1),
#endif
	    UNLESS_EQUAL(SYS_personality, 6),
	    LOAD(offsetof(struct seccomp_data, args[0])),
	    IF_EQUAL(ASK_PERSONALITY),
	    ANSWER(SECCOMP_RET_ALLOW),
	    IF_ANY(~(uint32_t)(UNAME26 | PER_LINUX32)),
	    REFUSE(EPERM),
	    ANSWER(SECCOMP_RET_ALLOW),
	    UNLESS_EQUAL(SYS_clone, 3),
	    LOAD(offsetof(struct seccomp_data, args[0])),
	    IF_ANY(CLONE_NAMESPACES),
	    REFUSE(EPERM),
	    ANSWER(SECCOMP_RET_ALLOW),
	};
	struct sock_filter all[sizeof(head) / sizeof(head[0]) +
			       sizeof(tail) / sizeof(tail[0]) +
			       2 * REFUSED_COUNT];
	struct sock_fprog program = {.filter = all};
	size_t at = sizeof(head) / sizeof(head[0]);

	memcpy(all, head, sizeof(head));
	for (size_t i = 0; i < REFUSED_COUNT; i++) {
		all[at++] = (struct sock_filter)IF_EQUAL(refused[i]);
		all[at++] = (struct sock_filter)REFUSE(EPERM);
	}
	memcpy(all + at, tail, sizeof(tail));
	program.len = (unsigned short)(at + sizeof(tail) / sizeof(tail[0]));
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int
sandbox_before_user(void)
{
	for (int i = 0; i < 64; i++)
		if (!(kept & (UINT64_C(1) << i)) &&
		    prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 && errno != EINVAL)
			return -1;
	return 0;
}

/* Takes out of the sets what the bounding set has no more. */
static int
limit_sets(void)
{
	struct __user_cap_header_struct head = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2];

	if (syscall(SYS_capget, &head, sets) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		uint32_t part = (uint32_t)(kept >> (32 * i));

		sets[i].effective &= part;
		sets[i].permitted &= part;
		sets[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &head, sets);
}

int
sandbox_after_user(void)
{
	if (limit_sets() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return install_filter();
}

void
sandbox_kernel(void)
{
	static const struct {
		const char *file, *value;
	} settings[] = {{"/proc/sys/kernel/dmesg_restrict", "1"},
	    {"/proc/sys/kernel/kptr_restrict", "2"},
	    {"/proc/sys/kernel/yama/ptrace_scope", "1"},
	    {"/proc/sys/kernel/unprivileged_bpf_disabled", "1"},
	    {"/proc/sys/kernel/perf_event_paranoid", "3"},
	    {"/proc/sys/vm/unprivileged_userfaultfd", "0"},
	    {"/proc/sys/fs/protected_symlinks", "1"},
	    {"/proc/sys/fs/protected_hardlinks", "1"}};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		int fd = open(settings[i].file, O_WRONLY | O_CLOEXEC);
		size_t len = strlen(settings[i].value);

		if (fd < 0)
			continue;
		if (write(fd, settings[i].value, len) != (ssize_t)len)
			errno = 0; /* this kernel wants it otherwise */
		close(fd);
	}
}
