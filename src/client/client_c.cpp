// SPDX-License-Identifier: Apache-2.0
// Implements the C interface, include/faceflow/client.h.
#include "core/try.hpp"
#include "faceflow/client.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <new>
#include <optional>
#include <string>

#include "client/connection.hpp"
#include "client/dlpack.hpp"
#include "frame/layout.hpp"
#include "ipc/listener.hpp"

using faceflow::errc;
namespace internal = faceflow::internal;

struct ff_client {
    std::shared_ptr<internal::client::connection> at;
    std::string last_error;
    std::uint64_t frames = 0;
    std::uint64_t dropped = 0;  // as of the last frame
};

struct ff_frame {
    std::atomic<std::uint32_t> holders{1};
    internal::client::claim held;
    std::uint64_t dropped_before = 0;
};

namespace {

using clock_type = std::chrono::steady_clock;

constexpr int default_connect_ms = 5000;

clock_type::time_point in_milliseconds(int ms) {
    return ms < 0 ? clock_type::time_point::max() : clock_type::now() + std::chrono::milliseconds(ms);
}

int status_of(errc code) {
    switch (code) {
        case errc::invalid_argument: return FF_E_ARGUMENT;
        case errc::not_found: return FF_E_NOT_FOUND;
        case errc::unsupported: return FF_E_VERSION;
        case errc::unavailable:
        case errc::timeout: return FF_E_REFUSED;
        case errc::corrupt: return FF_E_CORRUPT;
        case errc::out_of_memory: return FF_E_NO_MEMORY;
        case errc::lost: return FF_E_LOST;
        case errc::interrupted: return FF_ENDED;
        case errc::io:
        case errc::device_lost:
        case errc::internal: return FF_E_IO;
    }
    return FF_E_IO;
}

// No exception may pass through C.
template <class Work>
int guarded(ff_client* c, Work work) noexcept {
    try {
        faceflow::result<int> done = work();
        if (done) return *done;
        c->last_error = std::move(done.error().message);
        return status_of(done.error().code);
    } catch (const std::bad_alloc&) {
        c->last_error.clear();
        return FF_E_NO_MEMORY;
    } catch (const std::exception& e) {
        try {
            c->last_error = e.what();
        } catch (...) {
            c->last_error.clear();
        }
        return FF_E_IO;
    }
}

// Structs grow at their end: a caller with an older header asks for fewer bytes, one with a newer header gets zeros for
// the rest.
template <class Struct>
int copy_out(const Struct& from, void* to, std::size_t size) {
    if (to == nullptr) return FF_E_ARGUMENT;
    std::memset(to, 0, size);
    std::memcpy(to, &from, std::min(size, sizeof from));
    return FF_OK;
}

faceflow::result<internal::ipc::share_hello> hello_of(const ff_options& o) {
    internal::ipc::share_hello hello;
    if (o.leases != 0) hello.leases = o.leases;
    if (hello.leases > internal::ipc::max_share_leases)
        return faceflow::fail(errc::invalid_argument, "a client has 1 to 64 leases, not " + std::to_string(o.leases));
    if (o.policy > FF_FIFO)
        return faceflow::fail(errc::invalid_argument,
                              "a policy is FF_LATEST or FF_FIFO, not " + std::to_string(o.policy));
    if (o.anticipate > 1)
        return faceflow::fail(errc::invalid_argument, "anticipate is 0 or 1, not " + std::to_string(o.anticipate));
    hello.policy = o.policy == FF_FIFO ? internal::ipc::share_policy::fifo : internal::ipc::share_policy::latest;
    return hello;
}

std::optional<ff_plane> plane_of(const ff_frame& f, std::uint32_t index) {
    const faceflow::image& p = f.held.picture();
    if (index >= static_cast<std::uint32_t>(internal::plane_count(p.format))) return std::nullopt;
    const auto extent = internal::extent_of(p.format, p.width, p.height, static_cast<int>(index));
    const auto layout = internal::layout_of(p.format);
    int bytes = layout.component[0].bytes, step = 0;
    for (int i = 0; i < layout.components; ++i) {
        const auto& component = layout.component[i];
        if (component.plane == index) step = step == 0 ? component.step : std::min<int>(step, component.step);
    }
    if (step == 0) step = 4;  // the palette: B G R A
    ff_plane out{};
    out.data = p.planes[index].data;
    out.stride = p.planes[index].stride;
    out.height = extent.rows;
    out.width = static_cast<std::int32_t>(extent.row_bytes) / step;
    out.channels = step / bytes;
    out.bytes_per_sample = bytes;
    return out;
}

// A tensor and everything that it points to.
struct plane_tensor {
    DLManagedTensor tensor;
    std::array<std::int64_t, 3> shape{}, strides{};
    ff_frame* frame = nullptr;
};

void delete_tensor(DLManagedTensor* self) {
    auto* const whole = static_cast<plane_tensor*>(self->manager_ctx);
    ff_frame_release(whole->frame);
    delete whole;
}

}  // namespace

extern "C" {

ff_client* ff_client_new(void) {
    return new (std::nothrow) ff_client;
}

int ff_client_connect(ff_client* client, const char* path, const ff_options* options) {
    if (client == nullptr) return FF_E_ARGUMENT;
    return guarded(client, [&]() -> faceflow::result<int> {
        if (client->at != nullptr)
            return faceflow::fail(errc::invalid_argument, "the client is connected already; make another one");
        const ff_options chosen = options == nullptr ? ff_options{} : *options;
        FACEFLOW_ASSIGN(const auto hello, hello_of(chosen));
        std::filesystem::path at = path == nullptr ? "" : path;
        if (path == nullptr) {
            FACEFLOW_ASSIGN(const auto found,
                            internal::ipc::find_runtime_directory(internal::ipc::default_share_socket));
            at = found.path / internal::ipc::default_share_socket;
        }
        const int patience = chosen.timeout_ms == 0 ? default_connect_ms : chosen.timeout_ms;
        FACEFLOW_ASSIGN(client->at, internal::client::connection::open(at, hello, in_milliseconds(patience),
                                                                       chosen.anticipate != 0));
        return FF_OK;
    });
}

int ff_next(ff_client* client, int timeout_ms, ff_frame** frame) {
    if (client == nullptr || frame == nullptr) return FF_E_ARGUMENT;
    *frame = nullptr;
    return guarded(client, [&]() -> faceflow::result<int> {
        if (client->at == nullptr) return faceflow::fail(errc::invalid_argument, "the client is not connected");
        FACEFLOW_ASSIGN(auto came, client->at->next(in_milliseconds(timeout_ms)));
        if (!came) {
            const auto leases = client->at->welcome().leases;
            client->last_error = client->at->held() < leases
                                     ? "no frame came in time"
                                     : "no frame came: all " + std::to_string(leases) +
                                           " leases are held; release frames, or connect with more leases";
            return FF_TIMEOUT;
        }
        const std::uint64_t dropped = came->facts().dropped + client->at->skipped();
        *frame = new ff_frame{1, std::move(*came), dropped - client->dropped};
        client->dropped = dropped;
        ++client->frames;
        return FF_OK;
    });
}

int ff_client_descriptor(const ff_client* client) {
    return client == nullptr || client->at == nullptr ? -1 : client->at->descriptor();
}

const char* ff_last_error(const ff_client* client) {
    if (client == nullptr) return "there is no client: ff_client_new returned NULL, the machine is out of memory";
    return client->last_error.c_str();
}

int ff_client_get_stats(const ff_client* client, ff_stats* stats, size_t size) {
    if (client == nullptr) return FF_E_ARGUMENT;
    ff_stats s{};
    s.frames = client->frames;
    s.dropped = client->dropped;
    if (client->at != nullptr) {
        s.leases = client->at->welcome().leases;
        s.sources = client->at->welcome().sources;
        s.client = client->at->welcome().client;
        s.held = client->at->held();
        s.met = client->at->met();
        s.looking_ns = client->at->looking_ns();
    }
    return copy_out(s, stats, size);
}

void ff_client_close(ff_client* client) {
    delete client;
}

int ff_frame_get_info(const ff_frame* frame, ff_frame_info* info, size_t size) {
    static constexpr std::array<const char*, 4> matrices{"rgb", "bt601", "bt709", "bt2020"};
    static constexpr std::array<const char*, 2> ranges{"limited", "full"};
    if (frame == nullptr) return FF_E_ARGUMENT;
    const auto& facts = frame->held.facts();
    const faceflow::image& p = frame->held.picture();
    ff_frame_info i{};
    i.source = facts.source;
    i.sequence = facts.sequence;
    i.pts_ns = facts.pts_ns;
    i.captured_ns = facts.captured_ns;
    i.announced_ns = facts.announced_ns;
    i.dropped = frame->dropped_before;
    i.planes = static_cast<std::uint32_t>(internal::plane_count(p.format));
    i.width = p.width;
    i.height = p.height;
    i.turn = 90 * static_cast<int>(p.turn);
    i.mirrored = p.mirrored ? 1 : 0;
    i.square_width = p.shown_width();
    i.format = faceflow::name(p.format).data();
    i.matrix = matrices[static_cast<std::size_t>(p.matrix)];
    i.range = ranges[static_cast<std::size_t>(p.range)];
    return copy_out(i, info, size);
}

int ff_frame_get_plane(const ff_frame* frame, uint32_t plane, ff_plane* out, size_t size) {
    if (frame == nullptr) return FF_E_ARGUMENT;
    const auto found = plane_of(*frame, plane);
    return found ? copy_out(*found, out, size) : FF_E_ARGUMENT;
}

int ff_frame_get_memory(const ff_frame* frame, ff_memory* out, size_t size) {
    if (frame == nullptr) return FF_E_ARGUMENT;
    const faceflow::image& p = frame->held.picture();
    ff_memory m{};
    m.fd = frame->held.slab().memory.get();
    m.offset = frame->held.offset();
    m.bytes = internal::native_bytes(p.format, p.width, p.height);
    return copy_out(m, out, size);
}

struct DLManagedTensor* ff_frame_plane_dlpack(ff_frame* frame, uint32_t plane) {
    if (frame == nullptr) return nullptr;
    const auto p = plane_of(*frame, plane);
    auto* const whole = p ? new (std::nothrow) plane_tensor : nullptr;
    if (whole == nullptr) return nullptr;
    whole->shape = {p->height, p->width, p->channels};
    whole->strides = {p->stride / p->bytes_per_sample, p->channels, 1};
    whole->frame = ff_frame_retain(frame);
    whole->tensor.manager_ctx = whole;
    whole->tensor.deleter = delete_tensor;
    DLTensor& t = whole->tensor.dl_tensor;
    t.data = const_cast<void*>(p->data);
    t.ndim = p->channels == 1 ? 2 : 3;
    t.dtype.bits = static_cast<std::uint8_t>(8 * p->bytes_per_sample);
    t.shape = whole->shape.data();
    t.strides = whole->strides.data();
    return &whole->tensor;
}

ff_frame* ff_frame_retain(ff_frame* frame) {
    if (frame != nullptr) frame->holders.fetch_add(1, std::memory_order_relaxed);
    return frame;
}

void ff_frame_release(ff_frame* frame) {
    if (frame != nullptr && frame->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete frame;
}

}  // extern "C"
