// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message of the share protocol, to either side: something that can be used safely or an error, nothing else.
// The first byte is the kind, the second how many descriptors come along; the rest is the body.
#include <cstdint>

#include "frame/layout.hpp"
#include "ipc/share_protocol.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;

template <class T>
void holds(const result<T>& read, bool sound) {
    if (read ? !sound : read.error().message.empty()) __builtin_trap();
}

void as_frame(const ipc::message& m) {
    const auto f = ipc::read_share_frame(m, 4);
    holds(f, f && f->place < 4 && f->serial > 0);
    if (!f) return;
    const ipc::share_slab slab{0, 4, 64 << 10, 0, device_kind::cpu, {}};
    if (!ipc::fits(*f, slab)) return;
    const auto picture = picture_of(f->picture);
    if (!picture || native_bytes(picture->format, picture->width, picture->height) > slab.slot_bytes || f->slot >= 4)
        __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    ipc::message m;
    m.kind = data[0];
    m.descriptors.resize(data[1] % 3);
    const std::span body(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
    m.body.assign(body.begin(), body.end());

    const auto hello = ipc::read_share_hello(m);
    holds(hello, hello && hello->leases >= 1 && hello->leases <= ipc::max_share_leases);
    const auto welcome = ipc::read_share_welcome(m, 8);
    holds(welcome, welcome && welcome->leases >= 1 && welcome->leases <= 8 && m.descriptors.size() == 1);
    const auto slab = ipc::read_share_slab(m);
    const bool gone = m.kind == static_cast<std::uint16_t>(ipc::share_message::slab_gone);
    // slots * slot_bytes does not overflow.
    holds(slab, slab && (gone || slab->slot_bytes <= UINT64_MAX / 2 / slab->slots));
    if (ipc::read_share_refusal(m).message.empty()) __builtin_trap();
    as_frame(m);
    return 0;
}
