// SPDX-License-Identifier: Apache-2.0
// Two processes and a way to hand frames from one to the other: how long a frame takes, and how many pass in a second. What
// differs between tools is a sender and a receiver; the rest is here, so that all do the same work around them. C++17, no
// dependencies: every tool's program includes it.
//
//   PROGRAM latency|rate WIDTHxHEIGHT nv12|bgr24 untouched|touched FRAMES|SECONDS
//
// Prints one line of JSON: latencies of each frame in microseconds, or the frames a second; and the receiver's CPU time.
#pragma once

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace handoff {

inline std::int64_t now_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

inline void sleep_until(std::int64_t due_ns) {
    const timespec t{due_ns / 1'000'000'000, due_ns % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) != 0) {
    }
}

inline void nap() {
    sleep_until(now_ns() + 20'000);
}

struct shape {
    int width = 0, height = 0;
    bool bgr = false;
    std::size_t bytes() const {
        return static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * (bgr ? 6 : 3) / 2;
    }
};

// Lies over the first bytes of every frame.
struct stamps {
    std::uint64_t sequence = 0;
    std::int64_t begun = 0;     // before the pixels were written
    std::int64_t complete = 0;  // they are; what follows is the hand-off
};

struct prepared {
    shape form;
    std::vector<std::byte> pixels;

    // The producer's part of the work, the same for all: the pixels where the transport wants them, the time at last.
    void write(std::byte* to, std::uint64_t sequence) const {
        stamps s{sequence, now_ns(), 0};
        std::memcpy(to, pixels.data(), pixels.size());
        s.complete = now_ns();
        std::memcpy(to, &s, sizeof s);
    }
};

// In memory of both processes.
struct agreed {
    std::atomic<bool> listening{false};  // the sender can be connected to
    std::atomic<bool> connected{false};  // the receiver is
    std::atomic<bool> stop{false};

    void wait_for(const std::atomic<bool>& what) const {
        while (!what && !stop)
            nap();
    }
};

class sender {
public:
    virtual ~sender() = default;
    // Hands over one frame: prepared::write and what the tool needs; false when there is no room for one now.
    virtual bool send(const prepared& picture, std::uint64_t sequence) = 0;
};

class receiver {
public:
    virtual ~receiver() = default;
    struct got {
        const std::byte* pixels = nullptr;  // null: nothing came within some 100 ms
        stamps at;                          // by stamps_of, where the tool has no times of its own
    };
    virtual got next() = 0;
    virtual void release() = 0;
};

inline stamps stamps_of(const std::byte* pixels) {
    stamps s;
    std::memcpy(&s, pixels, sizeof s);
    return s;
}

struct order {
    bool rate = false, touched = false;
    shape form;
    double amount = 0;
};

inline order parse(int argc, char** argv) {
    if (argc != 6) {
        std::fprintf(stderr, "usage: %s latency|rate WxH nv12|bgr24 untouched|touched FRAMES|SECONDS\n", argv[0]);
        std::exit(2);
    }
    order o;
    o.rate = std::string(argv[1]) == "rate";
    if (std::sscanf(argv[2], "%dx%d", &o.form.width, &o.form.height) != 2) std::exit(2);
    o.form.bgr = std::string(argv[3]) == "bgr24";
    o.touched = std::string(argv[4]) == "touched";
    o.amount = std::atof(argv[5]);
    return o;
}

inline void produce(sender& to, const order& o, const agreed& with) {
    prepared picture{o.form, std::vector<std::byte>(o.form.bytes())};
    for (std::size_t i = 0; i < picture.pixels.size(); ++i)
        picture.pixels[i] = static_cast<std::byte>(i * 2654435761u >> 24);
    constexpr std::int64_t period = 1'000'000'000 / 60;
    std::int64_t due = now_ns();
    for (std::uint64_t n = 0; !with.stop; ++n) {
        if (!o.rate) sleep_until(due += period);
        while (!with.stop && !to.send(picture, n))
            nap();
    }
}

// One byte of each cache line.
inline unsigned touch(const std::byte* pixels, std::size_t bytes) {
    unsigned sum = 0;
    for (std::size_t i = 0; i < bytes; i += 64)
        sum += static_cast<unsigned>(pixels[i]);
    return sum;
}

struct measured {
    std::vector<double> held, whole;  // us from `complete` and from `begun`
    std::uint64_t frames = 0;
    double seconds = 0;
    double cpu_seconds = 0;  // of the receiver's process, meanwhile
};

inline double cpu_seconds() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

inline measured consume(receiver& from, const order& o) {
    constexpr std::uint64_t warm_up = 20;
    const std::size_t bytes = o.form.bytes();
    measured m;
    std::int64_t begun = 0;
    double cpu_before = 0;
    const std::int64_t too_late = now_ns() + 60'000'000'000;
    volatile unsigned seen = 0;
    for (std::uint64_t n = 0; now_ns() < too_late;) {
        const auto got = from.next();
        if (got.pixels == nullptr) continue;
        if (o.touched) seen = seen + touch(got.pixels, bytes);
        const std::int64_t here = now_ns();
        from.release();
        if (n++ < warm_up) {
            begun = here;
            cpu_before = cpu_seconds();
            continue;
        }
        m.held.push_back(static_cast<double>(here - got.at.complete) / 1000);
        m.whole.push_back(static_cast<double>(here - got.at.begun) / 1000);
        ++m.frames;
        m.seconds = static_cast<double>(here - begun) / 1e9;
        if (o.rate ? m.seconds >= o.amount : static_cast<double>(m.frames) >= o.amount) break;
    }
    m.cpu_seconds = cpu_seconds() - cpu_before;
    return m;
}

inline void print(const order& o, const measured& m) {
    std::printf(
        "{\"mode\":\"%s\",\"width\":%d,\"height\":%d,\"format\":\"%s\",\"touched\":%s,\"frames\":%llu,\"seconds\":%.6f,"
        "\"cpu_seconds\":%.6f",
        o.rate ? "rate" : "latency", o.form.width, o.form.height, o.form.bgr ? "bgr24" : "nv12",
        o.touched ? "true" : "false", static_cast<unsigned long long>(m.frames), m.seconds, m.cpu_seconds);
    if (!o.rate) {
        for (const auto& [name, list] : {std::pair{"held_us", &m.held}, std::pair{"whole_us", &m.whole}}) {
            std::printf(",\"%s\":[", name);
            for (std::size_t i = 0; i < list->size(); ++i)
                std::printf("%s%.3f", i == 0 ? "" : ",", (*list)[i]);
            std::printf("]");
        }
    }
    std::printf("}\n");
}

// The sender may wait in its library for somebody who reads: what is left is drained while it ends.
inline void end(pid_t child, receiver& from) {
    const std::int64_t patience = now_ns() + 500'000'000;
    while (::waitpid(child, nullptr, WNOHANG) == 0) {
        if (now_ns() > patience) ::kill(child, SIGKILL);
        if (from.next().pixels != nullptr) {
            from.release();
        } else {
            nap();
        }
    }
}

// Where the scheduler happens to put two processes decides about half of a wake-up: for latencies each has a core of its own.
inline void stay_on(std::size_t which) {
    cpu_set_t allowed, own;
    CPU_ZERO(&own);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed) && which-- == 0) {
            CPU_SET(cpu, &own);
            ::sched_setaffinity(0, sizeof own, &own);
            return;
        }
    }
}

// make_sender and make_receiver (order, agreed&) -> unique_ptr; each is called in its own process. The sender's sets
// `listening`, the receiver's waits for that as it has to.
template <class MakeSender, class MakeReceiver>
int run(int argc, char** argv, MakeSender make_sender, MakeReceiver make_receiver) {
    const order o = parse(argc, argv);
    void* const page = ::mmap(nullptr, sizeof(agreed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 1;
    auto* const with = new (page) agreed;
    const pid_t child = ::fork();
    if (child < 0) return 1;
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!o.rate) stay_on(0);
        {
            const std::unique_ptr<sender> to = make_sender(o, *with);
            if (to == nullptr) std::_Exit(1);
            with->listening = true;
            with->wait_for(with->connected);
            produce(*to, o, *with);
        }
        std::_Exit(0);
    }
    if (!o.rate) stay_on(1);
    const std::unique_ptr<receiver> from = make_receiver(o, *with);
    if (from == nullptr) {
        ::kill(child, SIGKILL);
        return 1;
    }
    with->connected = true;
    const measured m = consume(*from, o);
    with->stop = true;
    end(child, *from);
    print(o, m);
    return m.frames > 0 ? 0 : 1;
}

}  // namespace handoff
