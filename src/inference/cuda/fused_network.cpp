// SPDX-License-Identifier: Apache-2.0
#include "inference/cuda/fused_network.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "core/try.hpp"
#include "device/cuda/cuda_stream.hpp"
#include "inference/cuda/kernel_table.hpp"
#include "inference/kernels/network.hpp"

namespace faceflow::internal::inference {
namespace {

// By kernels::kernel_group.
std::span<const void* const> functions_of(kernels::kernel_group group) {
    switch (group) {
        case kernels::kernel_group::few_channels: return kernels::functions_of_few_channels();
        case kernels::kernel_group::many_channels: return kernels::functions_of_many_channels();
        case kernels::kernel_group::front: return kernels::functions_of_front();
        case kernels::kernel_group::levels: return kernels::functions_of_levels();
        case kernels::kernel_group::chains: return kernels::functions_of_chains();
        case kernels::kernel_group::any: return kernels::functions_of_any();
    }
    return {};
}

int compute_capability(int index) {
    return device_attribute(cudaDevAttrComputeCapabilityMajor, index) * 10 +
           device_attribute(cudaDevAttrComputeCapabilityMinor, index);
}

kernels::card card_of(int index) {
    kernels::card c;
    c.shared_bytes = static_cast<std::size_t>(device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, index));
    c.shared_of_multiprocessor =
        static_cast<std::size_t>(device_attribute(cudaDevAttrMaxSharedMemoryPerMultiprocessor, index));
    c.threads_of_multiprocessor = device_attribute(cudaDevAttrMaxThreadsPerMultiProcessor, index);
    c.multiprocessors = device_attribute(cudaDevAttrMultiProcessorCount, index);
    return c;
}

// Lets every kernel use the maximum shared memory per block (a launch requests only what it needs), and loads the
// kernels, which is not allowed while a stream captures.
result<void> prepare_kernels(int index, std::size_t shared_bytes) {
    const current_device scope(index);
    for (std::size_t g = 0; g < kernels::kernel_groups; ++g) {
        for (const void* f : functions_of(static_cast<kernels::kernel_group>(g))) {
            auto ok = checked(
                cudaFuncSetAttribute(f, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
                "cudaFuncSetAttribute");
            if (!ok) return ok;
        }
    }
    return {};
}

cudaError_t add_launch(cudaStream_t to, const kernels::launch& l, bool early) {
    cudaLaunchConfig_t how{};
    how.gridDim = dim3(static_cast<unsigned>(l.grid_x), static_cast<unsigned>(l.grid_y));
    how.blockDim = dim3(static_cast<unsigned>(l.threads));
    how.dynamicSmemBytes = l.shared_bytes;
    how.stream = to;
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    how.attrs = &attribute;
    how.numAttrs = early ? 1 : 0;
    // CUDA copies parameters during the call, but takes non-const pointers.
    void* parameters[] = {const_cast<std::byte*>(l.parameters.data())};
    return cudaLaunchKernelExC(&how, functions_of(l.kernel.group)[l.kernel.number], parameters);
}

}  // namespace

struct fused_network::impl {
    std::shared_ptr<const kernels::network> made;
    device_buffer weights;
    bool early_start = false;  // kernels may start before the previous one has ended
};

fused_network::fused_network(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
fused_network::~fused_network() = default;

result<std::shared_ptr<fused_network>> fused_network::load(const plan& network, stream& s) {
    constexpr int turing = 75, hopper = 90;
    const int index = s.owner().index(), capability = compute_capability(index);
    if (capability < turing) {
        return fail(
            errc::unsupported,
            fmt::format("CUDA device {} has compute capability {}.{}, and kernels need tensor cores as those of "
                        "7.5 on; use --inference cuda",
                        index, capability / 10, capability % 10));
    }
    const kernels::card card = card_of(index);
    auto made = kernels::network::make(network, card);
    if (!made) return tl::unexpected(made.error());
    FACEFLOW_TRY(prepare_kernels(index, card.shared_bytes));
    std::vector<std::byte> weights = std::exchange((*made)->weights, {});
    auto memory = device_buffer::allocate(s.owner().pool(), std::max<std::size_t>(weights.size(), 1));
    if (!memory) return tl::unexpected(memory.error());
    bring_constants(s, memory->data(), weights);
    auto i = std::make_unique<impl>();
    i->made = *std::move(made);
    i->weights = *std::move(memory);
    i->early_start = capability >= hopper;
    return std::shared_ptr<fused_network>(new fused_network(std::move(i)));
}

const plan& fused_network::network() const noexcept {
    return impl_->made->of;
}

std::size_t fused_network::device_bytes() const noexcept {
    return impl_->weights.bytes();
}

std::size_t fused_network::scratch_bytes(std::int32_t height, std::int32_t width, std::int32_t most) const {
    const auto places = kernels::tensor_placement::make(*impl_->made, height, width, most);
    return places ? places->scratch_bytes() : 0;
}

struct fused_binding::impl {
    impl(std::shared_ptr<fused_network> network, kernels::tensor_placement where, device_buffer from,
         std::byte* its_input, std::byte* scratch)
        : of(std::move(network)),
          places(std::move(where)),
          memory(std::move(from)),
          input(its_input != nullptr ? its_input : memory.data()),
          bound(*of->get().made, places, of->get().weights.data(), memory.data(), input, scratch) {}
    impl(const impl&) = delete;

    const std::vector<kernels::launch>& list(std::int32_t first, std::int32_t n) {
        auto& l = lists[{first, n}];
        if (l.empty()) l = bound.launches(n, first);
        return l;
    }
    // -1 if no vector has this name.
    tensor_index find(std::string_view name) const noexcept {
        const auto& vectors = of->network().vectors;
        const auto at =
            std::find_if(vectors.begin(), vectors.end(), [&](const plan_vector& v) { return v.name == name; });
        return at == vectors.end() ? -1 : static_cast<tensor_index>(at - vectors.begin());
    }

    std::shared_ptr<fused_network> of;
    kernels::tensor_placement places;
    device_buffer memory;
    std::byte* input;
    kernels::binding_memory bound;
    std::map<std::pair<std::int32_t, std::int32_t>, std::vector<kernels::launch>>
        lists;  // by first picture and number of pictures
};

fused_binding::fused_binding(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
fused_binding::fused_binding(fused_binding&&) noexcept = default;
fused_binding& fused_binding::operator=(fused_binding&&) noexcept = default;
fused_binding::~fused_binding() = default;

result<fused_binding> fused_binding::create(std::shared_ptr<fused_network> of, stream& work, std::int32_t height,
                                            std::int32_t width, std::int32_t most, std::byte* input,
                                            std::byte* scratch) {
    using where = kernels::tensor_placement::input;
    auto places = kernels::tensor_placement::make(*of->get().made, height, width, most, false,
                                                  input == nullptr ? where::here : where::elsewhere);
    if (!places) return tl::unexpected(places.error());
    auto memory =
        device_buffer::allocate(work.owner().pool(), scratch == nullptr ? places->bytes() : places->bytes_to_keep());
    if (!memory) return tl::unexpected(memory.error());
    // Values computed beyond the pictures of a pass are ignored, but must be finite.
    static_cast<cuda_stream&>(work).submit("clearing a network's memory", [&](cudaStream_t s) {
        return cudaMemsetAsync(memory->data(), 0, memory->bytes(), s);
    });
    if (scratch != nullptr) {
        static_cast<cuda_stream&>(work).submit("clearing scratch", [&](cudaStream_t s) {
            return cudaMemsetAsync(scratch, 0, places->scratch_bytes(), s);
        });
    }
    return fused_binding(std::make_unique<impl>(std::move(of), *std::move(places), *std::move(memory), input, scratch));
}

std::byte* fused_binding::input() const noexcept {
    return impl_->input;
}

std::size_t fused_binding::input_bytes() const noexcept {
    return impl_->places.input_bytes();
}

const float* fused_binding::output(std::string_view name) const noexcept {
    const tensor_index i = impl_->find(name);
    return i < 0 ? nullptr : impl_->bound.vector(i);
}

std::int32_t fused_binding::output_length(std::string_view name) const noexcept {
    const tensor_index i = impl_->find(name);
    return i < 0 ? 0 : impl_->places.length(i);
}

void fused_binding::add_run(stream& work, std::int32_t first, std::int32_t n) {
    if (work.relaunching()) return;
    const std::vector<kernels::launch>& all = impl_->list(first, n);
    static_cast<cuda_stream&>(work).submit("a network's kernels", [&](cudaStream_t s) {
        for (const kernels::launch& l : all)
            if (const cudaError_t status = add_launch(s, l, impl_->of->get().early_start); status != cudaSuccess)
                return status;
        return cudaSuccess;
    });
}

std::size_t fused_binding::launches(std::int32_t n) {
    return impl_->list(0, n).size();
}

std::size_t fused_binding::device_bytes() const noexcept {
    return impl_->memory.bytes();
}

}  // namespace faceflow::internal::inference
