// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "backends/back_end.hpp"
#include "backends/registered.hpp"

namespace faceflow::internal {

std::span<const back_end* const> back_ends() noexcept {
    static constexpr std::array<const back_end*, 3> all{&cpu_back_end, &emulated_back_end, &cuda_back_end};
    return all;
}

const back_end& back_end_of(const device& d) noexcept {
    return **std::ranges::find(back_ends(), d.kind(), &back_end::kind);  // every kind has one
}

std::string name_of(const device& d) {
    const std::string_view kind = name(d.kind());
    return back_end_of(d).indexed ? fmt::format("{}:{}", kind, d.index()) : std::string(kind);
}

std::unique_ptr<vision::kernels> make_kernels(device& d) {
    return back_end_of(d).make_kernels(d);
}

result<std::shared_ptr<inference::network>> make_native_network(device& d, const inference::network_request& wanted) {
    return back_end_of(d).make_network(d, wanted);
}

gpu_facts look_at_gpus() {
    gpu_facts facts = look_at_mps();
    for (const back_end* b : back_ends()) {
        if (b->look != nullptr) b->look(facts);
    }
    return facts;
}

}  // namespace faceflow::internal
