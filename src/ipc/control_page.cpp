// SPDX-License-Identifier: Apache-2.0
#include "ipc/control_page.hpp"

#include "core/try.hpp"

#include <fmt/format.h>

#include <utility>

namespace faceflow::internal::ipc {
namespace {

constexpr std::size_t max_words = 1'000'000, line_bytes = 64;

result<void> check(std::size_t words) {
    if (words >= 1 && words <= max_words) return {};
    return fail(errc::invalid_argument, fmt::format("a control page has 1 to {} words, not {}", max_words, words));
}

}  // namespace

result<control_page> control_page::create(std::size_t words) {
    FACEFLOW_TRY(check(words));
    FACEFLOW_ASSIGN(auto made, make_sealed_memory("faceflow-control",
                                                  (words * line_bytes + page_bytes - 1) / page_bytes * page_bytes));
    return open(std::move(made), words, access::read_write);
}

result<control_page> control_page::open(unique_fd descriptor, std::size_t words, access wanted) {
    FACEFLOW_TRY(check(words));
    FACEFLOW_ASSIGN(auto view, map_sealed_memory(descriptor.get(), 0, words * line_bytes, wanted));
    return control_page(std::move(descriptor), std::move(view), words);
}

}  // namespace faceflow::internal::ipc
