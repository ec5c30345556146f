"""Four threads add to one number, without a lock: some additions are lost, and which are is a matter of the schedule."""
import threading

total = 0
together = threading.Barrier(4)


def plus_one(number):
    return number + 1


def add():
    global total
    together.wait()
    for _ in range(100):
        seen = total
        total = plus_one(seen)  # who is interrupted here writes what others have moved on from


threads = [threading.Thread(target=add) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(total)
