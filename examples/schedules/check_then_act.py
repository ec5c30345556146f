"""Three workers make a file when it is not there yet: between the look and the act another one may have made it."""
import os
import threading

made = []
together = threading.Barrier(3)


def work(name):
    together.wait()
    if not os.path.exists("result"):
        with open("result", "w") as f:
            f.write(name)
        made.append(name)


threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("made by", *made, "and it says", open("result").read())
