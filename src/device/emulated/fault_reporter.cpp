// SPDX-License-Identifier: Apache-2.0
#include "device/emulated/fault_reporter.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "device/stage_scope.hpp"

namespace faceflow::internal {
namespace {

struct range_entry {
    std::atomic<bool> taken{false};
    std::atomic<std::uintptr_t> begin{0}, end{0};  // end is 0 while the entry is being changed
    std::array<char, 32> device_name{};
};

struct reporter_state {
    std::array<range_entry, 64> ranges{};
    std::atomic<bool> installed{false};
    struct sigaction before_segv {
    }, before_bus{};
};
constinit reporter_state state;

// Builds one line without the heap, using only async-signal-safe calls.
class line {
public:
    line& operator<<(std::string_view text) noexcept {
        const std::size_t n = std::min(text.size(), text_.size() - used_);
        std::copy_n(text.data(), n, text_.data() + used_);
        used_ += n;
        return *this;
    }
    line& operator<<(std::uint64_t value) noexcept {
        std::array<char, 20> digits{};
        std::size_t first = digits.size();
        do {
            digits[--first] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        return *this << std::string_view(digits.data() + first, digits.size() - first);
    }
    void write_to(int descriptor) const noexcept {
        for (std::size_t done = 0; done < used_;) {
            const ssize_t n = ::write(descriptor, text_.data() + done, used_ - done);
            if (n <= 0) return;
            done += static_cast<std::size_t>(n);
        }
    }

private:
    std::array<char, 400> text_{};
    std::size_t used_ = 0;
};

const range_entry* range_of(std::uintptr_t address) noexcept {
    for (const range_entry& r : state.ranges) {
        const std::uintptr_t end = r.end.load(std::memory_order_acquire);
        if (address < end && address >= r.begin.load(std::memory_order_relaxed)) return &r;
    }
    return nullptr;
}

void report(const range_entry& range, std::uintptr_t address) noexcept {
    line l;
    l << "faceflow: host code touched memory of device " << range.device_name.data() << " (byte "
      << std::uint64_t{address - range.begin.load(std::memory_order_relaxed)} << ") without a transfer, in ";
    if (const auto noted = stage_scope::current()) {
        l << "stage " << name(noted->at) << ", source " << std::uint64_t{noted->frame.source} << " frame "
          << noted->frame.sequence << "\n";
    } else {
        l << "no stage that was noted\n";
    }
    l.write_to(STDERR_FILENO);
}

void on_fault(int signal_number, siginfo_t* info, void*) {
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    if (const range_entry* range = range_of(address)) {
        report(*range, address);
        std::abort();
    }
    // Another fault: reinstall the previous handler; the access is repeated under it.
    ::sigaction(signal_number, signal_number == SIGSEGV ? &state.before_segv : &state.before_bus, nullptr);
}

}  // namespace

void install_fault_reporter() {
    if (state.installed.exchange(true)) return;
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGSEGV, &action, &state.before_segv);
    ::sigaction(SIGBUS, &action, &state.before_bus);
}

fault_range::fault_range(std::string_view device_name, const std::byte* begin, std::size_t bytes) noexcept {
    for (std::size_t i = 0; i < state.ranges.size(); ++i) {
        range_entry& r = state.ranges[i];
        if (r.taken.exchange(true, std::memory_order_acquire)) continue;
        r.device_name.fill('\0');
        std::copy_n(device_name.data(), std::min(device_name.size(), r.device_name.size() - 1), r.device_name.data());
        const auto first = reinterpret_cast<std::uintptr_t>(begin);
        r.begin.store(first, std::memory_order_relaxed);
        r.end.store(first + bytes, std::memory_order_release);
        entry_ = static_cast<int>(i);
        return;
    }
}

fault_range::~fault_range() {
    if (entry_ < 0) return;
    range_entry& r = state.ranges[static_cast<std::size_t>(entry_)];
    r.end.store(0, std::memory_order_release);
    r.taken.store(false, std::memory_order_release);
}

}  // namespace faceflow::internal
