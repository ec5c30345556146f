#!/usr/bin/python3
"""What counting costs: programs that only compute, natively, and inside with and without counted checks.

CPU time is compared, the supervisor's included, as the least of several runs that alternate, less that of a program which does nothing.
`clock: real` is the same world without a counter. Prints a table; usage: bench/counting.py [--python PATH] [-n RUNS]
"""
import argparse
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
REAL = "terrarium: 1\nclock: real\n"
PROGRAMS = {
    "": "pass",  # a start, taken off the others
    "while i < n: i += 1": "i = 0\nwhile i < 20000000: i += 1",
    "for i in range(n): pass": "for i in range(40000000): pass",
    "fib(31)": "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(31)",
    "methods": "class P:\n    x = 0.5\n    def step(self): self.x = self.x * 0.5 + 1\nps = [P() for _ in range(1000)]\n"
               "for _ in range(4000):\n    for p in ps: p.step()",
    "dicts and strings": "d = {}\nfor i in range(4000000):\n    k = 'k%d' % (i % 1000)\n    d[k] = d.get(k, 0) + i",
    "comprehensions": "for _ in range(40): sum([x * x for x in range(200000)])",
    "four threads": "import threading\ndef f():\n    i = 0\n    while i < 4000000: i += 1\n"
                    "ts = [threading.Thread(target=f) for _ in range(4)]\n[t.start() for t in ts]\n[t.join() for t in ts]",
}


def cpu(command):
    """User and system time of a command and all it started."""
    done = subprocess.run(["/usr/bin/python3", "-c", "import os, resource, subprocess, sys\n"
                           "subprocess.run(sys.argv[1:], check=True)\n"
                           "u = resource.getrusage(resource.RUSAGE_CHILDREN)\nprint(u.ru_utime + u.ru_stime)", *command],
                          check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--python", default="/usr/bin/python3")
    options.add_argument("-n", type=int, default=5)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        policy = pathlib.Path(folder, "real.yaml")
        policy.write_text(REAL)
        terrarium = [str(ROOT / "terrarium"), "run", "--python", chosen.python]
        print("| program | native, s | inside, not counted | inside, counted | counting costs |\n|---|---|---|---|---|")
        for name, body in PROGRAMS.items():
            script = pathlib.Path(folder, "program.py")
            script.write_text("def work():\n" + "".join(f"    {line}\n" for line in body.splitlines()) + "work()\n")
            ways = {"native": [chosen.python, script], "plain": [*terrarium, "--policy", policy, script], "counted": [*terrarium, script]}
            best = {way: float("inf") for way in ways}
            rounds = chosen.n if name else 2 * chosen.n
            for _ in range(rounds):
                for way, command in ways.items():
                    best[way] = min(best[way], cpu([str(a) for a in command]))
            if not name:
                start = best
                continue
            best = {way: took - start[way] for way, took in best.items()}
            print(f"| `{name}` | {best['native']:.2f} | {best['plain'] / best['native']:.3f}x | {best['counted'] / best['native']:.3f}x | "
                  f"{(best['counted'] / best['plain'] - 1) * 100:+.1f} % |", flush=True)


if __name__ == "__main__":
    main()
