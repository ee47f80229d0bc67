"""A cable between two network interfaces that delays, drops, reorders, cuts, and has a rate and a largest packet.

    python3 link.py FIRST SECOND

makes the interfaces FIRST and SECOND (TAP, in the namespace it runs in; they can be moved to others), says `ready`, and carries
frames between them. Each line of standard input is an object of JSON that says how both directions are from then on, or with
"from": 0 or 1 only what comes from that interface; it is answered with `set`. What a line does not name has its default:

    delayMs 0    how long each frame takes
    jitterMs 0   up to so much longer, at random; frames keep their order
    loss 0       the share of frames that are dropped, at random
    reorder 0    the share of frames that take no delay, so that they overtake others
    mbit 0       bits per second in millions; 0: no bound
    queueMs 50   with a rate: how much may wait for its turn; what is above is dropped
    mtu 0        larger IP packets are dropped without a word; 0: no bound
    cut false    everything is dropped

It ends at the end of standard input.
"""

import fcntl
import json
import os
import random
import select
import struct
import sys
import time
from collections import deque

TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x0002 | 0x1000
ETHERNET_BYTES = 14
LARGEST_FRAME = 65_536 + ETHERNET_BYTES
# So that one busy direction does not hold up the other, nor what is due.
FRAMES_A_TURN = 64

DEFAULTS = {
    "delayMs": 0, "jitterMs": 0, "loss": 0, "reorder": 0, "mbit": 0, "queueMs": 50, "mtu": 0, "cut": False,
}  # fmt: skip


def opened(name):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    return tap


class Direction:
    def __init__(self, source, target):
        self.source, self.target = source, target
        self.waiting = deque()
        self.free_at = self.last_due = 0.0
        self.become(DEFAULTS)

    def become(self, weather):
        self.delay, self.jitter = weather["delayMs"] / 1000, weather["jitterMs"] / 1000
        self.loss, self.reorder, self.cut = weather["loss"], weather["reorder"], weather["cut"]
        self.seconds_a_byte = 8 / (weather["mbit"] * 1e6) if weather["mbit"] else 0
        self.queue = weather["queueMs"] / 1000
        self.largest = weather["mtu"] + ETHERNET_BYTES if weather["mtu"] else LARGEST_FRAME

    def take(self, now):
        """Reads what came, and notes when it is due."""
        for _ in range(FRAMES_A_TURN):
            try:
                frame = os.read(self.source, LARGEST_FRAME)
            except OSError:  # nothing there, or the interface is down
                return
            if self.cut or len(frame) > self.largest or (self.loss and random.random() < self.loss):
                continue
            due = now
            if self.seconds_a_byte:
                begins = max(now, self.free_at)
                if begins - now > self.queue:
                    continue
                self.free_at = due = begins + len(frame) * self.seconds_a_byte
            if self.reorder and random.random() < self.reorder:
                self.give(frame)
                continue
            due += self.delay
            if self.jitter:
                due += random.random() * self.jitter
            self.last_due = due = max(due, self.last_due)
            self.waiting.append((due, frame))

    def give_due(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            self.give(self.waiting.popleft()[1])

    def give(self, frame):
        if self.cut:
            return
        try:
            os.write(self.target, frame)
        except OSError:  # the interface is down, or has no room
            pass


def become(directions, told):
    chosen = directions if "from" not in told else [directions[told["from"]]]
    for direction in chosen:
        direction.become({**DEFAULTS, **told})


def main():
    taps = [opened(name) for name in sys.argv[1:3]]
    directions = [Direction(taps[0], taps[1]), Direction(taps[1], taps[0])]
    of_tap = dict(zip(taps, directions))
    poll = select.epoll()
    for each in [*taps, 0]:
        poll.register(each, select.EPOLLIN)
    said = b""
    print("ready", flush=True)
    while True:
        heads = [each.waiting[0][0] for each in directions if each.waiting]
        pause = max(0, min(heads) - time.monotonic()) if heads else -1
        events = poll.poll(pause)
        now = time.monotonic()
        for each, what in events:
            if each in of_tap and what & (select.EPOLLERR | select.EPOLLHUP):  # its namespace was removed
                poll.unregister(each)
            elif each in of_tap:
                of_tap[each].take(now)
            else:
                read = os.read(0, 65_536)
                if not read:
                    return
                *lines, said = (said + read).split(b"\n")
                # What was sent before the line was written is judged by what was true then.
                for direction in directions:
                    direction.take(now)
                for line in lines:
                    become(directions, json.loads(line))
                    print("set", flush=True)
        now = time.monotonic()
        for each in directions:
            each.give_due(now)


main()
