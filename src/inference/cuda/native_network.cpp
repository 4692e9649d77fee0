// SPDX-License-Identifier: Apache-2.0
#include "inference/cuda/native_network.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/try.hpp"
#include "inference/cuda/fused_network.hpp"
#include "inference/plan.hpp"

namespace faceflow::internal::inference {
namespace {

class bound_fused final : public bound_network {
public:
    explicit bound_fused(fused_binding of) : of_(std::move(of)) {}
    std::byte* input() const noexcept override { return of_.input(); }
    const float* output(std::string_view name) const noexcept override { return of_.output(name); }
    void add_run(stream& s, std::int32_t first, std::int32_t n) override { of_.add_run(s, first, n); }
    result<void> run(std::int32_t, std::int32_t) override {
        return fail(errc::unsupported, "a GPU's work is added to a stream");
    }

private:
    fused_binding of_;
};

class native_network final : public network {
public:
    explicit native_network(std::shared_ptr<fused_network> of) : of_(std::move(of)) {}

    picture_form form() const noexcept override {
        const plan_input& in = of_->network().input;
        return {vision::tensor_format::packed_half, in.scale, in.bias};
    }

    result<std::unique_ptr<bound_network>> bind(stream& s, const binding_request& wanted) override {
        auto bound =
            fused_binding::create(of_, s, wanted.height, wanted.width, wanted.most, wanted.input, wanted.scratch);
        if (!bound) return tl::unexpected(std::move(bound.error()));
        for (const network_output& o : wanted.outputs) {
            if (bound->output_length(o.name) == o.length()) continue;
            return fail(errc::corrupt, fmt::format("the model's plan gives {} numbers as {}, where {} are wanted",
                                                   bound->output_length(o.name), o.name, o.length()));
        }
        return std::make_unique<bound_fused>(std::move(*bound));
    }

    std::size_t scratch_bytes(const binding_request& wanted) const override {
        return of_->scratch_bytes(wanted.height, wanted.width, wanted.most);
    }

private:
    const std::shared_ptr<fused_network> of_;
};

}  // namespace

result<std::shared_ptr<network>> make_cuda_network(device& d, const network_request& wanted) {
    auto read = load_plan(wanted.model, wanted.model_sha256);
    if (!read) {
        return fail(read.error().code == errc::not_found ? errc::unsupported : read.error().code,
                    std::move(read.error().message));
    }
    FACEFLOW_ASSIGN(auto loading, d.make_stream("weights"));
    FACEFLOW_ASSIGN(auto loaded, fused_network::load(*read, *loading));
    FACEFLOW_ASSIGN(auto done, d.make_event());
    FACEFLOW_TRY(synchronise(*loading, *done, {stage::capture, {}}));
    return std::make_shared<native_network>(std::move(loaded));
}

}  // namespace faceflow::internal::inference
