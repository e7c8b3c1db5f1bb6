//! The built-in profile as a table: the same facts and order as the seccomp.json that podman 5.8 ships with.

use super::{Action, Rule, When};
use Action::{Allow, Errno};
use When::{Always, Arch, Has, Lacks};
use ketch_runtime::spec::Capability::{
    AuditWrite, Bpf, DacReadSearch, Perfmon, SysAdmin, SysChroot, SysModule, SysPacct, SysPtrace, SysRawio,
    SysTime, SysTtyConfig,
};
use ketch_runtime::spec::LinuxSeccompOperator::{ScmpCmpEq, ScmpCmpNe};

const EPERM: u32 = 1;
const EINVAL: u32 = 22;

/// What no rule names fails as on a kernel that does not have it, so that programs fall back.
pub(super) const DEFAULT_ERRNO: u32 = 38;

/// All rules, for every architecture and set of capabilities; `super::default` picks those that apply.
pub(super) const RULES: &[Rule] = &[
    rule(REFUSED, Errno(EPERM), Always, &[]),
    rule(ALLOWED, Allow, Always, &[]),
    rule("personality", Allow, Always, &[(0, ScmpCmpEq, 0)]),
    rule("personality", Allow, Always, &[(0, ScmpCmpEq, 8)]),
    rule("personality", Allow, Always, &[(0, ScmpCmpEq, 0x20000)]),
    rule("personality", Allow, Always, &[(0, ScmpCmpEq, 0x20008)]),
    rule("personality", Allow, Always, &[(0, ScmpCmpEq, 0xffffffff)]),
    rule("sync_file_range2 swapcontext", Allow, Arch(&["ppc64le"]), &[]),
    rule(
        "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
        Allow,
        Arch(&["arm", "arm64"]),
        &[],
    ),
    rule("arch_prctl", Allow, Arch(&["amd64", "x32"]), &[]),
    rule("modify_ldt", Allow, Arch(&["amd64", "x32", "x86"]), &[]),
    rule("s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr", Allow, Arch(&["s390", "s390x"]), &[]),
    rule("riscv_flush_icache", Allow, Arch(&["riscv64"]), &[]),
    rule("open_by_handle_at", Allow, Has(&[DacReadSearch]), &[]),
    rule("open_by_handle_at", Errno(EPERM), Lacks(&[DacReadSearch]), &[]),
    rule(
        "bpf lookup_dcookie quotactl quotactl_fd setdomainname sethostname setns",
        Allow,
        Has(&[SysAdmin]),
        &[],
    ),
    rule(
        "lookup_dcookie perf_event_open quotactl quotactl_fd setdomainname sethostname setns",
        Errno(EPERM),
        Lacks(&[SysAdmin]),
        &[],
    ),
    rule("chroot", Allow, Has(&[SysChroot]), &[]),
    rule("chroot", Errno(EPERM), Lacks(&[SysChroot]), &[]),
    rule("delete_module finit_module init_module query_module", Allow, Has(&[SysModule]), &[]),
    rule("delete_module finit_module init_module query_module", Errno(EPERM), Lacks(&[SysModule]), &[]),
    rule("acct", Allow, Has(&[SysPacct]), &[]),
    rule("acct", Errno(EPERM), Lacks(&[SysPacct]), &[]),
    rule("kcmp process_madvise", Allow, Has(&[SysPtrace]), &[]),
    rule("kcmp process_madvise", Errno(EPERM), Lacks(&[SysPtrace]), &[]),
    rule("ioperm iopl", Allow, Has(&[SysRawio]), &[]),
    rule("ioperm iopl", Errno(EPERM), Lacks(&[SysRawio]), &[]),
    rule("clock_settime clock_settime64 settimeofday stime", Allow, Has(&[SysTime]), &[]),
    rule("clock_settime clock_settime64 settimeofday stime", Errno(EPERM), Lacks(&[SysTime]), &[]),
    rule("vhangup", Allow, Has(&[SysTtyConfig]), &[]),
    rule("vhangup", Errno(EPERM), Lacks(&[SysTtyConfig]), &[]),
    rule("socket", Errno(EPERM), Always, &[(0, ScmpCmpEq, 40)]),
    rule("socket", Errno(EINVAL), Lacks(&[AuditWrite]), &[(0, ScmpCmpEq, 16), (2, ScmpCmpEq, 9)]),
    rule("socket", Allow, Lacks(&[AuditWrite]), &[(0, ScmpCmpEq, 16), (2, ScmpCmpNe, 9)]),
    rule("socket", Allow, Lacks(&[AuditWrite]), &[(0, ScmpCmpNe, 16)]),
    rule("socket", Allow, Has(&[AuditWrite]), &[(0, ScmpCmpNe, 40)]),
    rule("bpf", Errno(EPERM), Lacks(&[SysAdmin, Bpf]), &[]),
    rule("bpf", Allow, Has(&[Bpf]), &[]),
    rule("perf_event_open", Errno(EPERM), Lacks(&[SysAdmin, Bpf]), &[]),
    rule("perf_event_open", Allow, Has(&[Perfmon]), &[]),
];

const fn rule(
    names: &'static str,
    action: Action,
    when: When,
    args: &'static [(usize, ketch_runtime::spec::LinuxSeccompOperator, u64)],
) -> Rule {
    Rule { names, action, when, args }
}

/// Old, dangerous or merely unknown to most: EPERM, so that their absence is told from ENOSYS.
const REFUSED: &str = "\
    bdflush cachestat futex_requeue futex_wait futex_waitv futex_wake io_pgetevents io_pgetevents_time64 \
    kexec_file_load kexec_load map_shadow_stack migrate_pages move_pages nfsservctl nice oldfstat oldlstat \
    oldolduname oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write sgetmask ssetmask swapoff \
    swapon syscall sysfs uselib userfaultfd ustat vm86 vm86old vmsplice";

/// What any program may call.
const ALLOWED: &str = "\
    _llseek _newselect accept accept4 access adjtimex alarm bind brk capget capset chdir chmod chown chown32 \
    clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 \
    clock_nanosleep clock_nanosleep_time64 clone clone3 close close_range connect copy_file_range creat dup \
    dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait \
    epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 \
    fadvise64_64 fallocate fanotify_init fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 \
    fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsconfig fsetxattr fsmount \
    fsopen fspick fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_time64 \
    futimesat get_mempolicy get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid \
    getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp \
    getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage \
    getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr inotify_add_watch \
    inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_setup io_submit ioctl \
    ioprio_get ioprio_set ipc keyctl kill landlock_add_rule landlock_create_ruleset landlock_restrict_self \
    lchown lchown32 lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat \
    lstat64 madvise mbind membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock \
    mlock2 mlockall mmap mmap2 mount mount_setattr move_mount mprotect mq_getsetattr mq_notify mq_open \
    mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap msgctl msgget \
    msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open open_tree \
    openat openat2 pause pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 pivot_root pkey_alloc pkey_free \
    pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease \
    process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read \
    readahead readlink readlinkat readv reboot recv recvfrom recvmmsg recvmmsg_time64 recvmsg \
    remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction \
    rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait \
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity \
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 \
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl \
    semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy \
    set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 \
    setgroups setgroups32 setitimer setns setpgid setpriority setregid setregid32 setresgid setresgid32 \
    setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr shmat \
    shmctl shmdt shmget shutdown sigaltstack signal signalfd signalfd4 sigprocmask sigreturn socketcall \
    socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs \
    sysinfo syslog tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 \
    timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime \
    timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask umount umount2 uname unlink unlinkat \
    unshare utime utimensat utimensat_time64 utimes vfork wait4 waitid waitpid write writev";
