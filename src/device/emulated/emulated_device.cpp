// SPDX-License-Identifier: Apache-2.0
#include "device/emulated/emulated_device.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <system_error>

#include "core/sealed_memory.hpp"
#include "core/try.hpp"
#include "device/emulated/emulated_stream.hpp"

namespace faceflow::internal {
namespace {
using clock = std::chrono::steady_clock;
}  // namespace

result<std::unique_ptr<emulated_device>> emulated_device::create(int index, std::size_t memory_cap,
                                                                 const link_model& link) {
    FACEFLOW_ASSIGN(auto arena, emulated_arena::create(fmt::format("emulated:{}", index), memory_cap));
    return std::unique_ptr<emulated_device>(new emulated_device(index, memory_cap, link, std::move(arena)));
}

emulated_device::emulated_device(int index, std::size_t memory_cap, const link_model& link,
                                 std::unique_ptr<emulated_arena> arena)
    : index_(index),
      link_(link),
      description_(fmt::format("emulated GPU {}, link {}", index, link.name)),
      arena_(std::move(arena)),
      pool_(*arena_, memory_cap) {}

std::byte* emulated_device::kernel_address(std::byte* device_address) const noexcept {
    if (std::byte* const own = arena_->mapped(device_address)) return own;
    return imports_.find(device_address, 0, false);
}

std::byte* emulated_device::reach(std::byte* device_memory, std::size_t bytes, bool to_write) const noexcept {
    if (arena_->contains(device_memory, bytes)) return arena_->mapped(device_memory);
    return imports_.find(device_memory, bytes, to_write);
}

result<std::unique_ptr<stream>> emulated_device::make_stream(std::string label) {
    try {
        return emulated_stream::create(*this, std::move(label));
    } catch (const std::system_error& e) {
        return fail(errc::unavailable,
                    fmt::format("no thread for another stream of emulated GPU {}: {}", index_, e.what()));
    }
}

result<std::unique_ptr<event>> emulated_device::make_event() {
    return std::make_unique<emulated_event>();
}

result<host_block> emulated_device::allocate_host(std::size_t bytes, bool pinned) {
    auto* memory = static_cast<std::byte*>(::operator new(bytes, page_alignment, std::nothrow));
    if (memory == nullptr) return fail(errc::out_of_memory, "the machine is out of memory");
    // Page-locked memory is resident from the start: the first copy must not pay for page faults that a real device
    // would not have.
    if (pinned) std::memset(memory, 0, bytes);
    return host_block{memory, bytes, pinned};
}

void emulated_device::release_host(const host_block& block) noexcept {
    ::operator delete(block.data, page_alignment);
}

result<memory_export> emulated_device::export_memory(std::byte* memory, std::size_t bytes) {
    if (bytes == 0 || !arena_->contains(memory, bytes)) {
        return fail(errc::invalid_argument,
                    fmt::format("cannot export {} bytes that are not memory of emulated GPU {}", bytes, index_));
    }
    unique_fd descriptor(::fcntl(arena_->descriptor(), F_DUPFD_CLOEXEC, 0));
    if (!descriptor) return fail(errc::io, fmt::format("no descriptor to export memory by: {}", std::strerror(errno)));
    return memory_export{{device_kind::emulated, static_cast<std::uint64_t>(memory - arena_->base()), bytes, {}},
                         std::move(descriptor)};
}

result<std::unique_ptr<memory_import>> emulated_device::import_memory(const memory_export& from, access wanted) {
    FACEFLOW_TRY(require_kind(from, device_kind::emulated));
    return imports_.add(fmt::format("emulated:{} import", index_), from, wanted);
}

void emulated_device::copy(stream& s, direction d, std::byte* device_memory, const host_block& host,
                           std::size_t bytes) {
    const bool up = d == direction::host_to_device;
    std::byte* const mapped = reach(device_memory, bytes, up);
    if (mapped == nullptr) {
        s.run([what = fmt::format("a transfer of {} bytes leaves the memory of emulated GPU {}{}", bytes, index_,
                                  up ? ", or is to change what was imported read-only" : "")]() -> result<void> {
            return fail(errc::internal, what);
        });
        return;
    }
    if (s.capturing()) {
        static_cast<emulated_stream&>(s).captures_transfer();
        return;
    }
    book_.charge_link(d, static_cast<std::uint64_t>(link_.copy_ns(up, bytes, host.pinned)));
    if (!host.pinned)
        return up ? copy_up_from_pageable(s, mapped, host.data, bytes)
                  : copy_down_to_pageable(s, host.data, mapped, bytes);
    std::byte* const to = up ? mapped : host.data;
    const std::byte* const from = up ? host.data : mapped;
    s.run([this, to, from, bytes, up]() -> result<void> {
        (up ? up_ : down_).copy(to, from, bytes, link_.engine_ns(up, bytes));
        return {};
    });
}

// Like cudaMemcpyAsync from pageable memory: the calling thread copies the bytes into the driver's pinned memory,
// without waiting for the stream, and the engine copies them from there. link_model says which part of the time each
// takes.
void emulated_device::copy_up_from_pageable(stream& s, std::byte* to, const std::byte* from, std::size_t bytes) {
    const auto staged_by = clock::now() + std::chrono::nanoseconds(link_.staging_ns(true, bytes));
    auto staged = staging_.take(bytes);
    if (bytes > 0) std::memcpy(staged->data(), from, bytes);
    wait_until_exactly(staged_by);
    s.run([this, to, bytes, staged = std::move(staged)]() -> result<void> {
        up_.copy(to, staged->data(), bytes, link_.engine_ns(true, bytes));
        staging_.give(staged);
        return {};
    });
}

// Device to host, it returns only once the bytes have arrived, so all earlier work on the stream is done by then.
void emulated_device::copy_down_to_pageable(stream& s, std::byte* to, const std::byte* from, std::size_t bytes) {
    auto staged = staging_.take(bytes);
    const auto arrived = std::make_shared<bool>(false);
    s.run([this, from, bytes, staged, arrived]() -> result<void> {
        down_.copy(staged->data(), from, bytes, link_.engine_ns(false, bytes));
        *arrived = true;
        return {};
    });
    waits_.fetch_add(1, std::memory_order_relaxed);
    static_cast<emulated_stream&>(s).add_mark()->wait();
    if (*arrived) {
        const auto moved_by = clock::now() + std::chrono::nanoseconds(link_.staging_ns(false, bytes));
        if (bytes > 0) std::memcpy(to, staged->data(), bytes);
        wait_until_exactly(moved_by);
    }
    staging_.give(std::move(staged));
}

result<void> emulated_device::wait_on_host(event& e) {
    waits_.fetch_add(1, std::memory_order_relaxed);
    if (const auto mark = static_cast<emulated_event&>(e).latest()) mark->wait();
    return {};
}

namespace {

class copy_engine_counter final : public transfer_counter {
public:
    explicit copy_engine_counter(const emulated_device& of) : of_(of), before_(of.crossed()) {}
    std::string_view by() const noexcept override { return "the copy engines"; }
    transfer_totals seen() override { return of_.crossed().since(before_); }

private:
    const emulated_device& of_;
    const transfer_totals before_;
};

}  // namespace

transfer_totals emulated_device::crossed() const {
    return {up_.moved(), down_.moved(), waits_.load(std::memory_order_relaxed), 0};
}

result<std::unique_ptr<transfer_counter>> emulated_device::make_transfer_counter() {
    return std::make_unique<copy_engine_counter>(*this);
}

}  // namespace faceflow::internal
