// SPDX-License-Identifier: Apache-2.0
// A frame that a device can access.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "faceflow/types.hpp"
#include "frame/lease.hpp"

namespace faceflow::internal {

// A frame stored on a device: its slot, and the event that marks the end of its upload.
struct stored_frame {
    lease slot;
    std::unique_ptr<event> ready;
};

// `picture.planes` are device addresses, valid while `hold` lives. Cheap to copy.
struct frame {
    frame_id id;
    image picture;
    std::shared_ptr<const void> hold;            // owns the slot, or the host memory that the device shares
    std::shared_ptr<const stored_frame> stored;  // null where host memory is device memory
};

// Lets work added to `s` from now on read the frame: that work waits for the upload, and the slot is not reused before
// it is done.
inline void use(stream& s, const frame& f) {
    if (f.stored == nullptr) return;
    s.wait(*f.stored->ready);
    f.stored->slot.used_on(s);
}

}  // namespace faceflow::internal
