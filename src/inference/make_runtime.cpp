// SPDX-License-Identifier: Apache-2.0
#include "inference/session.hpp"

#ifdef FACEFLOW_ONNXRUNTIME
#include "inference/onnxruntime/start.hpp"
#endif

namespace faceflow::internal::inference {

#ifdef FACEFLOW_ONNXRUNTIME

result<std::shared_ptr<runtime>> runtime::create(const runtime_options& options) {
    return start_onnxruntime(options);
}

result<found_runtime> find_runtime() {
    return find_onnxruntime();
}

#else

namespace {

tl::unexpected<error> left_out() {
    return fail(
        errc::unavailable,
        "this build has no ONNX Runtime (`make setup ONNXRUNTIME=1` fetches one, then configure and build anew)");
}

}  // namespace

result<std::shared_ptr<runtime>> runtime::create(const runtime_options&) {
    return left_out();
}

result<found_runtime> find_runtime() {
    return left_out();
}

#endif

}  // namespace faceflow::internal::inference
