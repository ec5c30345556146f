"""Processes as Python programs use them: beside the same script under plain python3 wherever that prints the same."""
import textwrap

import pytest

# Each prints the same in any world: no pids, no times.
SAME = {
    "what_a_stop_interrupts": """
        import ctypes, os, select, signal, socket, struct, time
        libc = ctypes.CDLL(None, use_errno=True)
        buf, late = ctypes.create_string_buffer(64), struct.pack('ll', 0, 300_000_000)
        def call(name, f):
            me = os.getpid()
            if os.fork() == 0:
                time.sleep(0.05); os.kill(me, signal.SIGSTOP); time.sleep(0.05); os.kill(me, signal.SIGCONT); os._exit(0)
            ctypes.set_errno(0)
            print(name, f(), ctypes.get_errno())
            os.wait()
        ep = select.epoll()
        call('epoll_wait', lambda: libc.epoll_wait(ep.fileno(), buf, 1, 300))
        a, b = socket.socketpair()
        a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 300_000))
        call('recv', lambda: libc.recv(a.fileno(), buf, 4, 0))
        call('poll', lambda: libc.poll(None, 0, 300))
        sem = libc.semget(0, 1, 0o1600)
        call('semtimedop', lambda: libc.semtimedop(sem, struct.pack('HhH', 0, -1, 0), 1, late))
        libc.semctl(sem, 0, 0)
        queue = libc.msgget(0, 0o1600)
        if os.fork() == 0:
            time.sleep(0.3); libc.msgsnd(queue, struct.pack('l8s', 1, b'over'), 8, 0); os._exit(0)
        call('msgrcv', lambda: libc.msgrcv(queue, buf, 8, 0, 0))
        libc.msgctl(queue, 0, None); os.wait()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        call('sigtimedwait', lambda: libc.syscall(128, struct.pack('Q', 1 << signal.SIGUSR1 - 1), None, late, 8))
    """,
    "names_that_were_lost_and_roots": """
        import ctypes, errno, os, struct
        libc = ctypes.CDLL(None, use_errno=True)
        def call(*a):
            r = libc.syscall(*a)
            return errno.errorcode[ctypes.get_errno()] if r < 0 else 'done'
        def relink(fd, name): return call(265, -100, b'/proc/self/fd/%d' % fd, -100, name, 0x400)
        fd = os.open('u', os.O_RDWR | os.O_CREAT); os.unlink('u')
        print(relink(fd, b'u2'))
        fd = os.open('.', os.O_RDWR | os.O_TMPFILE)
        print(relink(fd, b't'), relink(fd, b't2'), os.fstat(fd).st_nlink)
        os.unlink('t'); os.unlink('t2')
        print(relink(fd, b't3'))
        os.mkdir('d'); open('d/f', 'w')
        D = os.open('d', os.O_PATH)
        for path in b'/f', b'/.//f', b'/../f', b'f', b'../f', b'/etc/passwd':
            print(path, call(437, D, path, struct.pack('QQQ', 0, 0, 0x10), 24), call(437, D, path, struct.pack('QQQ', 0, 0, 8), 24))
    """,
    "who_hears_of_an_exchange": """
        import ctypes, os, struct
        libc = ctypes.CDLL(None, use_errno=True)
        os.mkdir('p'); os.mkdir('q'); os.mkdir('p/a'); open('q/b', 'w')
        i = libc.inotify_init1(0o4000)
        for name in b'p', b'q', b'p/a', b'q/b': libc.inotify_add_watch(i, name, 0xcc0)
        print(libc.syscall(316, -100, b'p/a', -100, b'q/b', 2))
        data, at, first = os.read(i, 4096), 0, None
        while at < len(data):
            wd, mask, cookie, n = struct.unpack_from('iIII', data, at)
            first = first or cookie
            print(wd, hex(mask), cookie and cookie - first, data[at + 16:at + 16 + n].rstrip(bytes(1)))
            at += 16 + n
    """,
    "a_program_that_may_not_be_read": """
        import os, shutil, subprocess
        shutil.copy('/bin/echo', 'program'); os.chmod('program', 0o111)
        print(subprocess.run(['./program', 'hi'], capture_output=True).stdout)
        os.chmod('program', 0o666)
        try: subprocess.run(['./program'])
        except PermissionError as e: print(e)
    """,
    "fork_and_wait": """
        import os
        pid = os.fork()
        if pid == 0:
            os._exit(7)
        got, status = os.waitpid(pid, 0)
        print(got == pid, os.WIFEXITED(status), os.WEXITSTATUS(status))
        try: os.waitpid(pid, 0)
        except ChildProcessError as e: print(e)
    """,
    "memory_is_copied": """
        import os, mmap
        private, shared = [1], mmap.mmap(-1, 4096)
        r, w = os.pipe()
        if os.fork() == 0:
            private[0] = 2; shared[0] = 9
            os.write(w, b'x'); os._exit(0)
        os.read(r, 1)
        print(private, shared[0], os.wait()[1])
    """,
    "wait_statuses": """
        import os, signal
        def child(f):
            pid = os.fork()
            if pid == 0:
                f(); os._exit(99)
            return pid
        for f in (lambda: os._exit(0), lambda: os._exit(255), lambda: os._exit(300), lambda: os.abort(),
                  lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os.kill(os.getpid(), signal.SIGTERM),
                  lambda: os.kill(os.getpid(), signal.SIGUSR2)):
            _, status = os.waitpid(child(f), 0)
            print(os.waitstatus_to_exitcode(status), os.WIFSIGNALED(status))
    """,
    "wait_options": """
        import os, signal
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(w); os.read(r, 1); os._exit(3)
        os.close(r)
        print(os.waitpid(pid, os.WNOHANG))
        os.kill(pid, signal.SIGSTOP)
        got, status = os.waitpid(pid, os.WUNTRACED)
        print(os.WIFSTOPPED(status), os.WSTOPSIG(status), os.waitpid(pid, os.WNOHANG | os.WUNTRACED))
        os.kill(pid, signal.SIGCONT)
        got, status = os.waitpid(pid, os.WCONTINUED)
        print(os.WIFCONTINUED(status))
        os.close(w)
        info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        print(info.si_pid == pid, info.si_signo, info.si_code, info.si_status, info.si_uid == os.getuid())
        print(os.waitid(os.P_PID, pid, os.WEXITED).si_status)
        try: os.waitid(os.P_ALL, 0, os.WEXITED)
        except ChildProcessError: print('none left')
        try: os.waitid(os.P_ALL, 0, 0)
        except OSError as e: print(e.errno)
    """,
    "wait_for_group": """
        import os
        pids = []
        for status in (1, 2, 3):
            pid = os.fork()
            if pid == 0:
                os._exit(status)
            os.setpgid(pid, pids[0] if status == 2 else 0)
            pids.append(pid)
        print(os.waitpid(-pids[2], 0)[1] >> 8)
        print(sorted(os.waitpid(-pids[0], 0)[1] >> 8 for _ in range(2)))
        try: os.waitpid(-pids[0], 0)
        except ChildProcessError: print('none')
    """,
    "wait4_usage": """
        import os
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        got, status, usage = os.wait4(pid, 0)
        print(got == pid, status, usage.ru_utime >= 0, len(usage))
        pid = os.fork()
        if pid == 0: os._exit(1)
        print(os.wait3(0)[1])
    """,
    "zombies_stay_until_waited_for": """
        import os, signal
        pid = os.fork()
        if pid == 0: os._exit(0)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        print(open(f'/proc/{pid}/stat').read().split()[2])
        os.kill(pid, 0); os.kill(pid, signal.SIGKILL)
        print(os.getpgid(pid) == os.getpgrp())
        os.waitpid(pid, 0)
        print(os.path.exists(f'/proc/{pid}'))
    """,
    "sigchld": """
        import os, signal
        seen = []
        signal.signal(signal.SIGCHLD, lambda *a: seen.append(a[0]))
        pid = os.fork()
        if pid == 0: os._exit(0)
        os.waitpid(pid, 0)
        print(seen)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if pid == 0: os._exit(6)
        info = signal.sigwaitinfo([signal.SIGCHLD])
        print(info.si_pid == pid, info.si_code, info.si_status, info.si_uid == os.getuid())
        os.waitpid(pid, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        pid = os.fork()
        if pid == 0: os._exit(0)
        try: os.waitpid(pid, 0)
        except ChildProcessError: print('reaped')
    """,
    "groups_and_sessions": """
        import os
        def attempt(f, *a):
            try: return f(*a)
            except OSError as e: return type(e).__name__
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            me = os.getpid()
            os.setpgid(0, 0)
            out = [os.getpgrp() == me, attempt(os.setsid), os.getsid(0) != me]
            child = os.fork()
            if child == 0:
                print(os.getpgrp() == me, os.setsid() or os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid(),
                      attempt(os.setpgid, 0, 0), attempt(os.setsid), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            print(*out, flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        print(attempt(os.setpgid, 4194300, 0), attempt(os.getpgid, 4194300), attempt(os.getsid, 4194300))
    """,
    "setpgid_after_exec": """
        import os
        r, w = os.pipe(); os.set_inheritable(w, True)
        r2, w2 = os.pipe(); os.set_inheritable(r2, True)
        pid = os.fork()
        if pid == 0:
            os.execv('/bin/sh', ['sh', '-c', f'echo >&{w}; read x <&{r2}'])
        os.read(r, 1)
        try: os.setpgid(pid, pid)
        except PermissionError as e: print(e.errno)
        os.write(w2, b'x\\n'); os.waitpid(pid, 0)
    """,
    "death_signal": """
        import os, signal, ctypes
        prctl = ctypes.CDLL(None).prctl
        r, w = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:
                os.close(r)
                prctl(1, signal.SIGTERM)
                signal.signal(signal.SIGTERM, lambda *a: (os.write(w, b'orphan'), os._exit(0)))
                os.write(w, b'ready ')
                while True: signal.pause()
            os.close(w)
            os.read(r, 6)
            os._exit(0)
        os.wait(); os.close(w)
        print(os.read(r, 100), os.read(r, 100))
    """,
    "subreaper": """
        import os, ctypes
        print(ctypes.CDLL(None).prctl(36, 1))
        r, w = os.pipe()
        first = os.fork()
        if first == 0:
            if os.fork() == 0:
                os.read(r, 1)
                os._exit(8)
            os._exit(0)
        print(os.waitpid(first, 0)[1])
        os.write(w, b'x')
        print(os.wait()[1] >> 8)
    """,
    "subprocess": """
        import subprocess, sys
        run = subprocess.run
        print(run([sys.executable, '-c', 'import sys; print(5); sys.exit(3)'], capture_output=True).returncode)
        print(run('echo out; echo err >&2; exit 4', shell=True, capture_output=True))
        print(len(run('cat', input=b'x' * 300000, capture_output=True).stdout))
        print(run(['true'], cwd='/').returncode, run(['env'], env={'A': 'b'}, capture_output=True).stdout)
        try: run(['/nonexistent'])
        except FileNotFoundError as e: print(e)
        try: run(['/etc'])
        except PermissionError as e: print(e)
        try: run(['sleep', '100'], timeout=.01)
        except subprocess.TimeoutExpired as e: print('too long')
        p = subprocess.Popen('read a; echo got $a', shell=True, stdin=-1, stdout=-1, text=True)
        print(p.communicate('word\\n'), p.returncode)
        a = subprocess.Popen(['echo', 'through a pipe'], stdout=-1)
        print(subprocess.check_output(['tr', 'a-z', 'A-Z'], stdin=a.stdout))
        p = subprocess.Popen(['sleep', '100']); p.terminate(); print(p.wait())
        p = subprocess.Popen(['sleep', '100'], start_new_session=True); p.kill(); print(p.wait())
        print(run(['sh', '-c', 'ulimit -n; umask'], preexec_fn=lambda: __import__('os').umask(0o31), capture_output=True).stdout[-5:])
    """,
    "pass_fds": """
        import os, subprocess, sys
        r, w = os.pipe()
        code = f'import os\\nfor fd in ({r}, {w}):\\n  try: os.fstat(fd); print("open")\\n  except OSError: print("closed")'
        print(subprocess.run([sys.executable, '-c', code], capture_output=True, pass_fds=[w]).stdout)
        print(subprocess.run([sys.executable, '-c', code], capture_output=True, close_fds=False).stdout)
        # CPython closes what /proc/self/fd lists while it reads it, an entry at a time.
        more = [fd for _ in range(5) for fd in os.pipe()]
        for fd in more: os.set_inheritable(fd, True)
        code = f'import os\\nfor fd in {more}:\\n  try: os.fstat(fd); print(fd)\\n  except OSError: pass'
        for keep in ((), more[1:2], more[2:4], more[::3]):
            out = subprocess.run([sys.executable, '-c', code], capture_output=True, pass_fds=keep).stdout
            print(list(map(int, out.split())) == list(keep))
    """,
    "posix_spawn": """
        import os, signal
        r, w = os.pipe()
        pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'echo $X; exec kill -TERM $$'], {'X': 'y'},
                             file_actions=[(os.POSIX_SPAWN_DUP2, w, 1), (os.POSIX_SPAWN_CLOSE, r)],
                             setpgroup=0, setsigdef=[signal.SIGPIPE])
        os.close(w)
        print(os.read(r, 10), os.waitpid(pid, 0)[1])
        try: os.posix_spawn('/nonexistent', ['x'], {})
        except FileNotFoundError as e: print(e)
        print(os.waitpid(os.posix_spawnp('true', ['true'], os.environ), 0)[1])
    """,
    "exec_from_a_thread": """
        import os, threading, sys, time
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            for _ in range(3):
                threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            me = os.getpid()
            t = threading.Thread(target=lambda: os.execv('/bin/sh', ['sh', '-c', f'test $$ = {me} && echo same pid; exit 5']))
            t.start(); t.join()
        print(os.waitpid(pid, 0)[1] >> 8)
    """,
    "scripts_through_descriptors": """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        open('script', 'w').write('#!/bin/sh\\necho ran $1; exit 3\\n'); os.chmod('script', 0o755)
        for name, path, flags in ('script', b'', 0x1000), ('.', b'script', 0):
            for stays in False, True:
                pid = os.fork()
                if pid == 0:
                    fd = os.open(name, os.O_RDONLY); os.set_inheritable(fd, stays)
                    vector = (ctypes.c_char_p * 3)(b'zero', b'one', None)
                    libc.syscall(322, fd, path, vector, None, flags)
                    os._exit(ctypes.get_errno())
                print(name, stays, os.waitpid(pid, 0)[1] >> 8)
    """,
    "locks_of_who_executes": """
        import ctypes, mmap, os, threading
        libc, memory = ctypes.CDLL(None), mmap.mmap(-1, 4096)
        mutex, attributes = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory))), ctypes.create_string_buffer(64)
        libc.pthread_mutexattr_init(attributes)
        libc.pthread_mutexattr_setpshared(attributes, 1)
        libc.pthread_mutexattr_setrobust(attributes, 1)
        for inherit in 0, 1:
            libc.pthread_mutexattr_setprotocol(attributes, inherit)
            for other_thread in False, True:
                libc.pthread_mutex_init(mutex, attributes)
                pid = os.fork()
                if pid == 0:
                    taken = threading.Event()
                    def take():
                        libc.pthread_mutex_lock(mutex); taken.set()
                        if other_thread: threading.Event().wait()
                    threading.Thread(target=take).start() if other_thread else take()
                    taken.wait()
                    os.execv('/bin/true', ['true'])
                print(os.waitpid(pid, 0)[1], os.strerror(libc.pthread_mutex_trylock(mutex)), libc.pthread_mutex_consistent(mutex),
                      libc.pthread_mutex_unlock(mutex), libc.pthread_mutex_trylock(mutex))
    """,
    "fork_in_threads": """
        import os, threading
        results = []
        def work(i):
            pid = os.fork()
            if pid == 0:
                os._exit(i)
            results.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
        for t in threads: t.start()
        for t in threads: t.join()
        print(sorted(results))
    """,
    "threads": """
        import threading, queue
        q, lock, total = queue.Queue(5), threading.Lock(), [0]
        def consume():
            while (x := q.get()) is not None:
                with lock: total[0] += x
        ts = [threading.Thread(target=consume) for _ in range(20)]
        for t in ts: t.start()
        for i in range(1000): q.put(i)
        for t in ts: q.put(None)
        for t in ts: t.join()
        barrier, event = threading.Barrier(4), threading.Event()
        order = []
        def meet(i):
            barrier.wait(); event.wait(); order.append(i)
        ts = [threading.Thread(target=meet, args=(i,)) for i in range(4)]
        for t in ts: t.start()
        event.set()
        for t in ts: t.join()
        print(total, sorted(order), threading.active_count())
    """,
    "exit_with_threads": """
        import os, threading, time
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        pid = os.fork()
        if pid == 0:
            threading.Thread(target=time.sleep, args=(1000,)).start()
            os._exit(11)
        print(os.waitpid(pid, 0)[1] >> 8)
    """,
    "multiprocessing_fork": """
        import multiprocessing as mp, os
        ctx = mp.get_context('fork')
        def work(q, lock, value, array, conn, event):
            with lock:
                value.value += 1
                array[value.value - 1] = value.value
            q.put(value.value > 0)
            conn.send({'pid': os.getppid() > 0})
            event.set()
        q, lock, value, array, event = ctx.Queue(), ctx.Lock(), ctx.Value('i', 0), ctx.Array('d', 3), ctx.Event()
        mine, theirs = ctx.Pipe(False)
        ps = [ctx.Process(target=work, args=(q, lock, value, array, theirs, event)) for _ in range(3)]
        for p in ps: p.start()
        print([q.get() for _ in ps], [mine.recv() for _ in ps], event.wait(5))
        for p in ps: p.join()
        print(value.value, list(array), [p.exitcode for p in ps])
        with ctx.Pool(4) as pool:
            print(pool.map(abs, range(-5, 5)), pool.apply_async(pow, (2, 10)).get())
            print(sorted(pool.imap_unordered(len, ['a', 'bb', 'ccc'])))
        s = ctx.Semaphore(2); print(s.acquire(), s.acquire(), s.acquire(False)); s.release()
        c = ctx.Condition()
        with c: print(c.wait(.01))
        p = ctx.Process(target=__import__('time').sleep, args=(1000,)); p.start(); p.terminate(); p.join(); print(p.exitcode)
    """,
    "shared_memory": """
        from multiprocessing import shared_memory, Process
        m = shared_memory.SharedMemory(create=True, size=5000)
        def write(name):
            other = shared_memory.SharedMemory(name=name)
            other.buf[:5] = b'hello'
            other.close()
        p = Process(target=write, args=(m.name,)); p.start(); p.join()
        print(bytes(m.buf[:5]), m.size, p.exitcode)
        m.close(); m.unlink()
        l = shared_memory.ShareableList(['a', 1, None]); print(list(l)); l.shm.close(); l.shm.unlink()
    """,
    "futures": """
        from concurrent.futures import ThreadPoolExecutor, ProcessPoolExecutor, as_completed, wait
        with ThreadPoolExecutor(8) as e:
            print(list(e.map(lambda x: x * x, range(10))))
        with ProcessPoolExecutor(3) as e:
            print(list(e.map(abs, range(-4, 4))), sorted(f.result() for f in as_completed([e.submit(pow, 2, i) for i in range(6)])))
            try: e.submit(divmod, 1, 0).result()
            except ZeroDivisionError as x: print(x)
    """,
    "setuid_as_a_user": """
        import os
        def attempt(f, *a):
            try: return f(*a)
            except OSError as e: return type(e).__name__
        pid = os.fork()
        if pid == 0:
            if os.getuid() == 0:
                os.setgroups([]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)
            print(os.getresuid(), os.getresgid(), os.getgroups())
            print(attempt(os.setuid, 0), attempt(os.setuid, 1000), attempt(os.setgroups, [1]), attempt(os.setgid, 5))
            print(attempt(os.setreuid, 1000, -1), attempt(os.setresuid, -1, -1, 0), attempt(os.seteuid, 1001))
            own = os.getpriority(os.PRIO_PROCESS, 0)  # whoever runs the tests may be nice
            print(attempt(os.setpriority, os.PRIO_PROCESS, 0, own + 4), attempt(os.setpriority, os.PRIO_PROCESS, 0, own - 1),
                  attempt(os.nice, 1) - own, attempt(os.getpriority, os.PRIO_PROCESS, 0) - own)
            none = os.sched_param(0)
            print(attempt(os.sched_setscheduler, 0, os.SCHED_IDLE, none), attempt(os.sched_setscheduler, 0, os.SCHED_OTHER, none),
                  attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)), os.sched_getscheduler(0))
            print(attempt(os.chroot, '/'), attempt(os.kill, 1, 0), flush=True)
            os._exit(0)
        print(os.wait()[1])
    """,
    "limits": """
        import os, resource as r, subprocess
        r.setrlimit(r.RLIMIT_NOFILE, (20, 30))
        fds = []
        try:
            while True: fds.append(os.open('/dev/null', os.O_RDONLY))
        except OSError as e: print(e.errno, max(fds))
        for fd in fds: os.close(fd)
        for bad in ((31, 30), (20, 40)):
            try: r.setrlimit(r.RLIMIT_NOFILE, bad); print('set')
            except (ValueError, OSError) as e: print(type(e).__name__)
        print(subprocess.run('ulimit -n; ulimit -Hn', shell=True, capture_output=True).stdout)
        pid = os.fork()
        if pid == 0:
            r.setrlimit(r.RLIMIT_FSIZE, (100, 100)); import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            fd = os.open('file', os.O_CREAT | os.O_WRONLY)
            print(os.write(fd, b'x' * 200))
            try: os.write(fd, b'x')
            except OSError as e: print(e.errno, flush=True)
            os._exit(0)
        os.wait()
        pid = os.fork()
        if pid == 0:
            r.setrlimit(r.RLIMIT_AS, (300 << 20, 300 << 20))
            try: bytearray(400 << 20)
            except MemoryError: print('no memory', flush=True)
            os._exit(0)
        os.wait()
        pid = os.fork()
        if pid == 0:
            r.setrlimit(r.RLIMIT_CPU, (1, 2))
            while True: pass
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """,
    "pidfd": """
        import os, select, signal
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(w); os.read(r, 1); os._exit(4)
        fd = os.pidfd_open(pid)
        p = select.poll(); p.register(fd, select.POLLIN)
        print(p.poll(0), os.get_inheritable(fd), os.readlink(f'/proc/self/fd/{fd}'))
        os.close(w)
        print(len(p.poll()), os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status, len(p.poll(0)))
        try: signal.pidfd_send_signal(fd, 0)
        except ProcessLookupError: print('gone')
        try: os.pidfd_open(pid)
        except ProcessLookupError: print('gone')
        pid = os.fork()
        if pid == 0:
            while True: signal.pause()
        fd = os.pidfd_open(pid)
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        print(os.waitpid(pid, 0)[1])
    """,
    "scheduling": """
        import os
        print(len(os.sched_getaffinity(0)) >= 1, os.sched_getscheduler(0), os.sched_getparam(0).sched_priority)
        print(os.sched_get_priority_max(os.SCHED_FIFO), os.sched_get_priority_min(os.SCHED_RR), os.sched_get_priority_max(os.SCHED_OTHER))
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)); print(os.sched_getscheduler(0))
        for bad in (99,):
            try: os.sched_setscheduler(0, bad, os.sched_param(0))
            except OSError as e: print(e.errno)
        try: os.sched_setaffinity(0, [1023])
        except OSError as e: print(e.errno)
        os.sched_yield()
    """,
    "orphans_to_the_reaper": """
        import os, time
        r, w = os.pipe()
        if os.fork() == 0:
            parent = os.getpid()
            if os.fork() == 0:
                while os.getppid() == parent: time.sleep(.001)
                os.write(w, b'%d' % (os.getppid() != parent)); os._exit(0)
            os._exit(0)
        os.wait(); os.close(w)
        print(os.read(r, 10), os.read(r, 10))
        try: os.wait()
        except ChildProcessError: print('not ours')
    """,
    "daemon": """
        import os, sys
        r, w = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.close(r)
                fd = os.open('/dev/null', os.O_RDWR)
                for i in range(3): os.dup2(fd, i)
                os.write(w, b'%d' % (os.getsid(0) != os.getpid())); os._exit(0)
            os._exit(0)
        os.close(w); os.wait()
        print(os.read(r, 10))
    """,
    "atfork_and_finalizers": """
        import os, atexit, sys
        os.register_at_fork(before=lambda: print('before', flush=True), after_in_child=lambda: print('child', flush=True),
                            after_in_parent=lambda: os.wait() and print('parent', flush=True))
        atexit.register(print, 'end')
        if os.fork() == 0: os._exit(0)
    """,
}


@pytest.mark.parametrize("name", SAME)
def test_same(same, name):
    assert same(textwrap.dedent(SAME[name])) != ""


def script(terrarium, tmp_path, code, **more):
    (tmp_path / "script.py").write_text(textwrap.dedent(code))
    result = terrarium("run", "script.py", **more)
    assert result.status == 0, result
    return result.out


def test_multiprocessing_spawn(terrarium, tmp_path):
    out = script(terrarium, tmp_path, """
        import multiprocessing as mp
        def square(x): return x * x
        def put(q, n): q.put(n)
        if __name__ == '__main__':
            mp.set_start_method('spawn')
            q = mp.Queue()
            p = mp.Process(target=put, args=(q, 42)); p.start(); print(q.get()); p.join(); print(p.exitcode)
            with mp.Pool(2) as pool: print(pool.map(square, range(5)))
    """)
    assert out == "42\n0\n[0, 1, 4, 9, 16]\n"


def test_pids_are_the_worlds(inside):
    """Small, in order, the same in every run."""
    out = inside(textwrap.dedent("""
        import os, threading
        print(os.getpid(), os.getppid(), threading.get_native_id())
        for _ in range(3):
            pid = os.fork()
            if pid == 0: os._exit(0)
            print(pid, os.waitpid(pid, 0)[0])
        t = threading.Thread(target=lambda: print(threading.get_native_id())); t.start(); t.join()
        print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))
    """))
    assert out == "2 1 2\n3 3\n4 4\n5 5\n6\n[1, 2]\n"


def test_root_of_the_world(inside):
    """uid 0 by policy: everything of credentials(7) that root may, without any of it reaching the host."""
    out = inside(textwrap.dedent("""
        import os
        print(os.getresuid(), os.geteuid())
        os.setgroups([5, 3]); print(os.getgroups())
        os.setegid(7); os.seteuid(1000)
        open('/tmp/mine', 'w').close()
        print(os.stat('/tmp/mine').st_uid, os.stat('/tmp/mine').st_gid)
        try: open('/root/x', 'w')
        except PermissionError as e: print(e)
        os.seteuid(0)
        print(os.getresuid(), os.getresgid())
        os.setuid(33); print(os.getresuid())
        try: os.setuid(0)
        except PermissionError as e: print(e)
    """), policy="terrarium: 1\nuser: {name: root, uid: 0, gid: 0, home: /root}\n")
    assert out == ("(0, 0, 0) 0\n[3, 5]\n1000 7\n[Errno 13] Permission denied: '/root/x'\n(0, 0, 0) (0, 7, 0)\n"
                   "(33, 33, 33)\n[Errno 1] Operation not permitted\n")


BOMB = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"


def test_bomb_ends_by_the_limit(terrarium):
    result = terrarium("run", "--limit", "processes=64,wall=30s", "--", "-c", BOMB, report=True)
    assert result.status == 124
    assert result.report["verdict"] == "processes"
    assert result.report["limits"]["processes"] == {"used": 64, "allowed": 64}


def test_limit_leaves_nobody(terrarium):
    import subprocess
    before = subprocess.run(["pgrep", "-c", "-f", "terrarium.*marker-of-the-bomb"], capture_output=True, text=True).stdout
    terrarium("run", "--limit", "processes=8", "--", "-c", BOMB + "  # marker-of-the-bomb")
    after = subprocess.run(["pgrep", "-c", "-f", "terrarium.*marker-of-the-bomb"], capture_output=True, text=True).stdout
    assert before == after


def test_own_process_limit_is_an_errno(inside):
    out = inside(textwrap.dedent("""
        import os, resource
        resource.setrlimit(resource.RLIMIT_NPROC, (3, 3))
        pids = []
        try:
            while True:
                pid = os.fork()
                if pid == 0: os.read(os.pipe()[0], 1)
                pids.append(pid)
        except BlockingIOError as e: print(e.errno, len(pids))
        for pid in pids: os.kill(pid, 9); os.waitpid(pid, 0)
    """))
    assert out == "11 2\n"


@pytest.mark.plain
def test_thread_flood_is_an_errno(inside):
    out = inside(textwrap.dedent("""
        import threading
        threading.stack_size(65536)
        done, started = threading.Event(), 0
        try:
            while started < 100000:
                threading.Thread(target=done.wait).start(); started += 1
        except RuntimeError as e: print(e, started > 200)
        done.set()
    """), timeout=400)
    assert out == "can't start new thread True\n"


REFUSED = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(nr, *a):
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(x) for x in a])
    return r if r >= 0 else errno.errorcode[ctypes.get_errno()]
print(%s)
"""


@pytest.mark.parametrize("name, arguments, answer", [
    ("clone3", "435, 0, 0", "ENOSYS"),
    ("CLONE_NEWUSER", "56, 0x10000011, 0, 0, 0, 0", "EPERM"),
    ("CLONE_NEWNS", "56, 0x00020011, 0, 0, 0, 0", "EPERM"),
    ("unshare", "272, 0x10000000", "EPERM"),
    ("setns", "308, 0, 0", "EPERM"),
    ("ptrace", "101, 0, 0, 0, 0", "EPERM"),
    ("process_vm_readv", "310, 1, 0, 0, 0, 0, 0", "EPERM"),
    ("seccomp", "317, 1, 0, 0", "ENOSYS"),
    ("PR_SET_SECCOMP", "157, 22, 2, 0, 0, 0", "EINVAL"),
    ("PR_SET_TSC", "157, 26, 2, 0, 0, 0", "EINVAL"),
    ("PR_SET_MM", "157, 35, 1, 0, 0, 0", "EPERM"),
    ("rseq", "334, 0, 0, 0, 0", "ENOSYS"),
    ("bpf", "321, 0, 0, 0", "EPERM"),
    ("perf_event_open", "298, 0, 0, 0, 0, 0", "EPERM"),
    ("sethostname", "170, 0, 0", "EPERM"),
    ("modify_ldt", "154, 0, 0, 0", "ENOSYS"),
    ("restart_syscall", "219", "EINTR"),
    ("arch_prctl", "158, 0x3001, 0", "EINVAL"),
])
def test_refused(inside, name, arguments, answer):
    assert inside(REFUSED % f"call({arguments})") == answer + "\n"
