// SPDX-License-Identifier: Apache-2.0
#include "device/device.hpp"

#include "core/try.hpp"

#include <fmt/format.h>

#include <exception>
#include <memory>
#include <new>

namespace faceflow::internal {

std::string_view name(device_kind kind) noexcept {
    switch (kind) {
        case device_kind::cpu: return "cpu";
        case device_kind::emulated: return "emulated";
        case device_kind::cuda: return "cuda";
    }
    return "unknown";
}

result<void> require_kind(const memory_export& from, device_kind own) {
    if (from.where.kind != own) {
        return fail(errc::invalid_argument,
                    fmt::format("memory of a device of kind {} cannot be imported by one of kind {}; both processes "
                                "need the same --device",
                                name(from.where.kind), name(own)));
    }
    if (!from.descriptor) return fail(errc::invalid_argument, "an export of device memory came without its descriptor");
    return {};
}

namespace {

// To be drawn; its size and memory are the caller's to add.
trace::crossing crossing_of(trace& drawing, const stream& s, direction d, const tag& t) {
    const bool up = d == direction::host_to_device;
    const device& owner = s.owner();
    trace::crossing c;
    c.up = up;
    c.stage = name(t.at);
    c.frame = t.frame;
    c.enqueued = c.begin = c.end = trace::clock::now();
    c.from = drawing.row_of(fmt::format("{} ({})", name(t.at), s.label()), static_cast<std::int32_t>(t.at));
    c.to = drawing.row_of(
        fmt::format("{} {} {}", name(owner.kind()), owner.index(), up ? "host to device" : "device to host"), 100);
    return c;
}

}  // namespace

result<void> transfer(stream& s, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes,
                      const tag& t) {
    if (bytes > host.bytes) {
        return fail(errc::internal,
                    fmt::format("a transfer of {} bytes does not fit its host block of {}", bytes, host.bytes));
    }
    if (s.capturing()) {
        if (!host.pinned && !s.owner().shares_host_memory())
            return fail(errc::unsupported, "a transfer of pageable memory cannot be part of a graph");
        s.owner().copy(s, d, device_memory, host, bytes);
        return {};
    }
    device& owner = s.owner();
    owner.book().record_transfer(d, bytes, host.pinned, t);
    if (d == direction::device_to_host && !host.pinned && !owner.shares_host_memory()) owner.book().record_sync(t);
    trace* const drawing = owner.book().drawing();
    if (drawing == nullptr || !owner.computes_on_host() || owner.shares_host_memory()) {
        owner.copy(s, d, device_memory, host, bytes);
        return {};
    }
    // Timestamps before and after the copy, in stream order.
    const auto c = std::make_shared<trace::crossing>(crossing_of(*drawing, s, d, t));
    c->bytes = bytes;
    c->pinned = host.pinned;
    s.run([c]() -> result<void> {
        c->begin = trace::clock::now();
        return {};
    });
    owner.copy(s, d, device_memory, host, bytes);
    s.run([c, drawing]() -> result<void> {
        c->end = trace::clock::now();
        drawing->transfer(*c);
        return {};
    });
    return {};
}

void bring_constants(stream& s, std::byte* device_memory, std::span<const std::byte> bytes) {
    const host_block from{const_cast<std::byte*>(bytes.data()), bytes.size(), false};
    s.owner().copy(s, direction::host_to_device, device_memory, from, bytes.size());
}

result<std::unique_ptr<graph>> stream::capture(const task&) {
    return fail(errc::unsupported, fmt::format("streams of {} have no graphs", name(owner().kind())));
}

void stream::launch(graph&) {
    run([]() -> result<void> { return fail(errc::internal, "a graph was launched on a stream that has none"); });
}

void stream::launch(graph& captured, const task&) {
    launch(captured);
}

void stream::begin_span() {
    run([this]() -> result<void> {
        span_began_ = std::chrono::steady_clock::now();
        return {};
    });
}

void stream::end_span(span_callback told) {
    run([this, told = std::move(told)]() -> result<void> {
        told(span_began_, std::chrono::steady_clock::now());
        return {};
    });
}

result<void> synchronise(stream& s, event& e, const tag& t) {
    device& owner = s.owner();
    s.record(e);
    if (!owner.shares_host_memory()) owner.book().record_sync(t);
    FACEFLOW_TRY(owner.wait_on_host(e));
    return s.take_error();
}

result<void> wait_until_done(device& owner, event& e, const tag& t) {
    if (e.done()) return {};
    owner.book().record_sync(t);
    return owner.wait_on_host(e);
}

result<void> attempt(const stream::task& work) noexcept {
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return fail(errc::out_of_memory, "the machine is out of memory");
    } catch (const std::exception& e) {
        return fail(errc::internal, e.what());
    } catch (...) {
        return fail(errc::internal, "work on a stream threw something that is not a std::exception");
    }
}

}  // namespace faceflow::internal
