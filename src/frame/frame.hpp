// SPDX-License-Identifier: Apache-2.0
// A frame where a device can reach it.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "faceflow/types.hpp"
#include "frame/lease.hpp"

namespace faceflow {

// What keeps a frame on a device: its slot, and the event behind its upload.
struct stored_frame {
    lease slot;
    std::unique_ptr<event> ready;
};

// `picture.planes` are device addresses, valid while `hold` lives. Cheap to copy.
struct frame {
    frame_id id;
    image picture;
    std::shared_ptr<const void> hold;            // the slot, or the host memory that the device shares
    std::shared_ptr<const stored_frame> stored;  // null where host memory is device memory
};

// Work that is added to `s` from now on may read the frame: it waits for the upload, and the slot waits for it.
inline void use(stream& s, const frame& f) {
    if (f.stored == nullptr) return;
    s.wait(*f.stored->ready);
    f.stored->slot.used_on(s);
}

}  // namespace faceflow
