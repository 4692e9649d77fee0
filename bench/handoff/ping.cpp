// SPDX-License-Identifier: Apache-2.0
// The floor: shared memory written in place, and the barest way of waking the process that waits for it.
//   ping futex|socket ...   (then as in measure.hpp)
#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>

#include "measure.hpp"

namespace {

using namespace handoff;

constexpr std::uint32_t slots = 4;

struct doorbell {
    std::atomic<std::uint32_t> sent{0}, taken{0};
};

struct shared_slots {
    doorbell* bell = nullptr;
    std::byte* pixels = nullptr;
    std::size_t slot_bytes = 0;
    std::array<int, 2> ends{-1, -1};
    bool socket = false;
    std::byte* slot(std::uint32_t n) const { return pixels + n % slots * slot_bytes; }
};

void futex(std::atomic<std::uint32_t>& word, int what, std::uint32_t value, const timespec* patience) {
    ::syscall(SYS_futex, &word, what, value, patience, nullptr, 0);
}

class ringing final : public sender {
public:
    explicit ringing(const shared_slots& s) : s_(s) {}
    bool send(const prepared& picture, std::uint64_t sequence) override {
        const std::uint32_t n = s_.bell->sent.load(std::memory_order_relaxed);
        if (n - s_.bell->taken.load(std::memory_order_acquire) >= slots) return false;
        picture.write(s_.slot(n), sequence);
        s_.bell->sent.store(n + 1, std::memory_order_release);
        if (s_.socket) {
            const char one = 1;
            return ::send(s_.ends[0], &one, 1, 0) == 1;
        }
        futex(s_.bell->sent, FUTEX_WAKE, 1, nullptr);
        return true;
    }

private:
    const shared_slots s_;
};

class hearing final : public receiver {
public:
    explicit hearing(const shared_slots& s) : s_(s) {
        const timeval patience{0, 100'000};
        ::setsockopt(s_.ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    got next() override {
        char one = 0;
        if (s_.socket && ::recv(s_.ends[1], &one, 1, 0) != 1) return {};
        const timespec patience{0, 100'000'000};
        while (!s_.socket && s_.bell->sent.load(std::memory_order_acquire) == next_) {
            futex(s_.bell->sent, FUTEX_WAIT, next_, &patience);
            if (s_.bell->sent.load(std::memory_order_acquire) == next_) return {};
        }
        const std::byte* const at = s_.slot(next_);
        return {at, stamps_of(at)};
    }
    void release() override { s_.bell->taken.store(++next_, std::memory_order_release); }

private:
    const shared_slots s_;
    std::uint32_t next_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    shared_slots s;
    s.socket = std::string(argv[1]) == "socket";
    const std::size_t page = 4096;
    s.slot_bytes = (parse(argc - 1, argv + 1).form.bytes() + page - 1) / page * page;
    void* const all =
        ::mmap(nullptr, page + slots * s.slot_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || ::socketpair(AF_UNIX, SOCK_STREAM, 0, s.ends.data()) != 0) return 1;
    s.bell = new (all) doorbell;
    s.pixels = static_cast<std::byte*>(all) + page;
    return run(
        argc - 1, argv + 1, [&](const order&, agreed&) { return std::make_unique<ringing>(s); },
        [&](const order&, agreed&) { return std::make_unique<hearing>(s); });
}
