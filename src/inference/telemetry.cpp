#include "inference/telemetry.hpp"

#include <cstdlib>
#include <mutex>

namespace faceflow::inference {

void switch_telemetry_off() {
    static std::once_flag once;
    std::call_once(once, [] { ::setenv("ORT_DISABLE_TELEMETRY", "1", 1); });
}

}  // namespace faceflow::inference
