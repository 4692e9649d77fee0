// SPDX-License-Identifier: Apache-2.0
#include "ipc/share_protocol.hpp"

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <string_view>

#include "core/printable.hpp"
#include "core/try.hpp"
#include "frame/layout.hpp"
#include "ipc/channel.hpp"

namespace faceflow::internal::ipc {
namespace {

// Limits for slabs, so that products of their numbers cannot overflow.
constexpr std::uint64_t max_slots = 1 << 20, max_slot_bytes = std::uint64_t{1} << 40;

tl::unexpected<error> nonsense(std::string_view what) {
    return fail(errc::corrupt,
                fmt::format("the other end of the shared socket sent {}; the connection is given up", what));
}

result<void> require(const message& m, share_message kind, std::size_t descriptors) {
    if (m.kind != static_cast<std::uint16_t>(kind))
        return nonsense(fmt::format("a message of kind {} where kind {} was due", m.kind, static_cast<int>(kind)));
    if (m.descriptors.size() != descriptors)
        return nonsense(fmt::format("{} descriptors where {} were due", m.descriptors.size(), descriptors));
    return {};
}

}  // namespace

result<share_hello> read_share_hello(const message& m) {
    FACEFLOW_TRY(require(m, share_message::hello, 0));
    // The version comes first in every version of the protocol, so it can always be reported.
    std::uint32_t version = 0;
    if (m.body.size() < sizeof version) return nonsense("a greeting that is too short");
    std::memcpy(&version, m.body.data(), sizeof version);
    if (version != share_version) {
        return fail(errc::unsupported, fmt::format("the client speaks version {} of the share protocol, this server "
                                                   "version {}: install both from one release of faceflow",
                                                   version, share_version));
    }
    auto hello = body_as<share_hello>(m);
    if (!hello) return hello;
    if (hello->leases < 1 || hello->leases > max_share_leases)
        return nonsense(fmt::format("a wish for {} leases; there are 1 to {}", hello->leases, max_share_leases));
    if (hello->policy != share_policy::latest && hello->policy != share_policy::fifo)
        return nonsense("a policy that is neither latest nor fifo");
    return hello;
}

result<share_welcome> read_share_welcome(const message& m, std::uint32_t leases_wanted) {
    FACEFLOW_TRY(require(m, share_message::welcome, 1));
    auto welcome = body_as<share_welcome>(m);
    if (!welcome) return welcome;
    if (welcome->version != share_version) {
        return fail(errc::unsupported, fmt::format("the server speaks version {} of the share protocol, this client "
                                                   "version {}: install both from one release of faceflow",
                                                   welcome->version, share_version));
    }
    if (welcome->leases < 1 || welcome->leases > leases_wanted)
        return nonsense(fmt::format("{} leases where {} were asked for", welcome->leases, leases_wanted));
    return welcome;
}

error read_share_refusal(const message& m) {
    share_refusal refusal;
    if (m.body.size() < sizeof refusal) return nonsense("a refusal without a reason").value();
    std::memcpy(&refusal, m.body.data(), sizeof refusal);
    const std::string text =
        printable({reinterpret_cast<const char*>(m.body.data()) + sizeof refusal, m.body.size() - sizeof refusal});
    const auto reason = static_cast<std::uint32_t>(refusal.reason) <= static_cast<std::uint32_t>(errc::internal)
                            ? refusal.reason
                            : errc::unavailable;
    return {reason, text.empty() ? "the server refused the connection without a reason" : text};
}

result<share_slab> read_share_slab(const message& m) {
    const bool comes = m.kind == static_cast<std::uint16_t>(share_message::slab);
    FACEFLOW_TRY(require(m, comes ? share_message::slab : share_message::slab_gone, comes ? 1 : 0));
    auto slab = body_as<share_slab>(m);
    if (!slab || !comes) return slab;
    if (slab->slots < 1 || slab->slots > max_slots || slab->slot_bytes < 1 || slab->slot_bytes > max_slot_bytes)
        return nonsense(fmt::format("a slab of {} slots of {} bytes", slab->slots, slab->slot_bytes));
    if (slab->kind != device_kind::cpu && slab->kind != device_kind::emulated)
        return nonsense("a slab of a device that this client cannot map");
    return slab;
}

result<share_frame> read_share_frame(const message& m, std::uint32_t leases) {
    FACEFLOW_TRY(require(m, share_message::frame, 0));
    auto frame = body_as<share_frame>(m);
    if (!frame) return frame;
    FACEFLOW_TRY(check_share_frame(*frame, leases));
    return frame;
}

result<void> check_share_frame(const share_frame& frame, std::uint32_t leases) {
    if (frame.place >= leases) return nonsense(fmt::format("a frame in lease {} of {}", frame.place, leases));
    if (frame.serial == 0 || frame.serial > UINT64_MAX / 8) return nonsense("a frame without a serial number");
    FACEFLOW_TRY(picture_of(frame.picture));
    return {};
}

result<void> fits(const share_frame& frame, const share_slab& in) {
    const auto& p = frame.picture;
    const std::size_t bytes = native_bytes(static_cast<pixel_format>(p.format), p.width, p.height);
    if (frame.slot < in.slots && bytes <= in.slot_bytes) return {};
    return nonsense(fmt::format("a frame of {} bytes in slot {} of a slab of {} slots of {} bytes", bytes, frame.slot,
                                in.slots, in.slot_bytes));
}

}  // namespace faceflow::internal::ipc
