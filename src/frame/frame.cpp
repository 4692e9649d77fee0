#include "frame/frame.hpp"

namespace faceflow {

result<frame> upload(stream& on, const host_frame& from) {
    if (on.owner().shares_host_memory()) return frame{from.id, from.picture, from.owner};
    return fail(errc::unsupported, "this device has no frame store");
}

}  // namespace faceflow
