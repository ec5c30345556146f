"""A first look around: where am I, who am I, what may I not do?"""
import getpass
import os
import platform
import time

print("host name:   ", platform.node())
print("user:        ", getpass.getuser(), os.getuid())
print("directory:   ", os.getcwd(), sorted(os.listdir(".")))
print("data:        ", open("/data/greeting.txt").read().strip())
print("the time is: ", time.strftime("%Y-%m-%d %H:%M", time.gmtime()))
print("accounts:    ", [line.split(":")[0] for line in open("/etc/passwd")])
try:
    open("/data/secret/answers.txt").read()
except PermissionError as refused:
    print("refused:     ", refused)
with open("result.txt", "w") as f:
    f.write("made in a world of glass\n")
print("slept a day: ", end="", flush=True)
before = time.time()
time.sleep(86400)
print(f"{(time.time() - before) / 3600:.0f} hours by the clock of this world")
