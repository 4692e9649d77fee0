// SPDX-License-Identifier: Apache-2.0
#include "device_copy.hpp"

#include <cstring>

#ifdef FACEFLOW_CUDA
#include "cuda/device_copy.hpp"
#endif

namespace faceflow::internal::bench {

void copy_within(stream& on, std::byte* to, std::byte* from, std::size_t bytes) {
    device& d = on.owner();
#ifdef FACEFLOW_CUDA
    if (d.kind() == device_kind::cuda) return copy_within_cuda(on, to, from, bytes);
#endif
    on.run([a = d.kernel_address(to), b = d.kernel_address(from), bytes]() -> result<void> {
        std::memcpy(a, b, bytes);
        return {};
    });
}

}  // namespace faceflow::internal::bench
