"""Two accounts, each with its lock; money goes both ways. Whoever is interrupted between his two locks may wait for ever."""
import threading

left, right = threading.Lock(), threading.Lock()
moved = 0


def move(first, second):
    global moved
    for _ in range(20):
        with first:
            with second:
                moved += 1


threads = [threading.Thread(target=move, args=pair, name=name)
           for name, pair in {"to the right": (left, right), "to the left": (right, left)}.items()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(moved, "moves")
