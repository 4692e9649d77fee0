// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cupti_counter.hpp"

#include <utility>

#include "core/try.hpp"
#include "device/cuda/cuda_context.hpp"
#include "device/cuda/cuda_error.hpp"

#if __has_include(<cupti.h>)
#include "device/cuda/cupti.hpp"

namespace faceflow::internal {
namespace {

class cupti_counter final : public transfer_counter {
public:
    cupti_counter(std::shared_ptr<cupti> recorder, std::uint32_t device, std::uint32_t context, const cuda_pool& pool)
        : recorder_(std::move(recorder)),
          device_(device),
          context_(context),
          pool_(pool),
          before_(now()) {}

    std::string_view by() const noexcept override { return "CUPTI"; }
    transfer_totals seen() override { return now().since(before_); }

private:
    transfer_totals now() const {
        transfer_totals c = recorder_->seen(device_, context_);
        c.syncs -= pool_.waits();  // may wrap around; differences are still right
        return c;
    }

    const std::shared_ptr<cupti> recorder_;
    const std::uint32_t device_, context_;
    const cuda_pool& pool_;
    const transfer_totals before_;
};

}  // namespace

result<std::unique_ptr<transfer_counter>> make_cupti_counter(int index, const cuda_pool& pool) {
    const current_device scope(index);
    FACEFLOW_TRY(checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize"));
    FACEFLOW_ASSIGN(const auto context, current_context());
    FACEFLOW_ASSIGN(auto recorder, cupti::open());
    FACEFLOW_ASSIGN(const auto id, recorder->id_of(context));
    return std::make_unique<cupti_counter>(std::move(recorder), static_cast<std::uint32_t>(index), id, pool);
}

}  // namespace faceflow::internal

#else

namespace faceflow::internal {

result<std::unique_ptr<transfer_counter>> make_cupti_counter(int, const cuda_pool&) {
    return fail(
        errc::unavailable,
        "this program was built without the headers of CUPTI (cupti.h), which counts what crosses on CUDA: install "
        "the CUDA toolkit's package with them (cuda-cupti-dev) and build anew");
}

}  // namespace faceflow::internal

#endif
