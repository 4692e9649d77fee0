// SPDX-License-Identifier: Apache-2.0
#include "inference/cpu/cpu_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/try.hpp"
#include "core/worker_pool.hpp"
#include "inference/cpu/prepared_network.hpp"
#include "inference/cpu/shared_run.hpp"

namespace faceflow::internal::inference {
namespace {

using cpu::memory_layout;
using cpu::prepared_binding;
using cpu::prepared_network;
using cpu::shared_run;
using cpu::tensor_places;

// The address through which host functions access device memory.
float* floats_at(const device& d, std::byte* memory) {
    return reinterpret_cast<float*>(d.kernel_address(memory));
}

tensor_index find_vector(const plan& p, std::string_view name) {
    const auto at =
        std::find_if(p.vectors.begin(), p.vectors.end(), [&](const plan_vector& v) { return v.name == name; });
    return at == p.vectors.end() ? -1 : static_cast<tensor_index>(at - p.vectors.begin());
}

// Memory between layers; only host functions access it.
struct freed {
    void operator()(float* memory) const noexcept { std::free(memory); }
};
using host_floats = std::unique_ptr<float[], freed>;

result<host_floats> zeros(std::size_t bytes) {
    constexpr std::size_t line = 64;
    const std::size_t whole = (std::max<std::size_t>(bytes, 1) + line - 1) / line * line;
    host_floats made(static_cast<float*>(std::aligned_alloc(line, whole)));
    if (made == nullptr) return fail(errc::out_of_memory, fmt::format("no memory for a model: {} bytes", whole));
    std::memset(made.get(), 0, whole);
    return made;
}

// More threads would hinder one another: each step has only a few parts per thread.
constexpr std::int32_t max_workers = 8;

// The memory of a worker thread.
struct worker_memory {
    host_floats maps, passing, scratch;
    std::unique_ptr<prepared_binding> alone;   // for pictures of its own, on these maps; null if it has none
    std::unique_ptr<prepared_binding> beside;  // for its part of the first worker's picture; null for the first worker
};

class bound_cpu final : public bound_network {
public:
    // With `helpers`, they share each run.
    static result<std::unique_ptr<bound_network>> create(const std::shared_ptr<const prepared_network>& of, stream& s,
                                                         const binding_request& wanted, worker_pool* helpers) {
        FACEFLOW_ASSIGN(auto layout, memory_layout::make(*of, wanted.height, wanted.width, wanted.most));
        device& device = s.owner();
        std::unique_ptr<bound_cpu> b(new bound_cpu(of, device, helpers));
        FACEFLOW_TRY(b->take_input(wanted));
        for (const network_output& o : wanted.outputs) {
            FACEFLOW_TRY(b->take_output(o, layout, wanted.most));
        }
        const std::int32_t workers = helpers == nullptr ? 1 : std::min(helpers->processors(), max_workers);
        b->workers_.resize(static_cast<std::size_t>(workers));
        for (std::int32_t i = 0; i < workers; ++i) {
            FACEFLOW_TRY(b->equip(i, layout, wanted.most));
        }
        b->together_.emplace(b->main_binding(), workers);
        return b;
    }

    std::byte* input() const noexcept override { return input_; }

    const float* output(std::string_view name) const noexcept override {
        const auto at = std::find_if(outputs_.begin(), outputs_.end(), [&](const auto& o) { return o.name == name; });
        return at == outputs_.end() ? nullptr : at->memory.template as<float>();
    }

    void add_run(stream& s, std::int32_t first, std::int32_t n) override {
        s.enqueue([this, first, n] { return run(first, n); });
    }

    result<void> run(std::int32_t first, std::int32_t n) override {
        // Cleared here and not in bind: device memory may be accessible only to tasks.
        if (!std::exchange(cleared_, true)) {
            for (const auto& o : outputs_)
                std::memset(device_.kernel_address(o.memory.data()), 0, o.memory.bytes());
        }
        const auto workers = static_cast<std::int32_t>(workers_.size());
        if (workers == 1) {
            main_binding().run(first, n, workers_.front().scratch.get());
        } else if (n == 1) {
            together_->begin(first);
            helpers_->together(workers, [this](std::int32_t i) {
                const worker_memory& own = worker(i);
                together_->work(i == 0 ? main_binding() : *own.beside, own.scratch.get());
            });
        } else {
            run_side_by_side(first, n);
        }
        return {};
    }

private:
    struct placed_output {
        std::string name;
        tensor_index vector = -1;
        device_buffer memory;
    };

    bound_cpu(const std::shared_ptr<const prepared_network>& of, device& d, worker_pool* helpers)
        : of_(of),
          device_(d),
          helpers_(helpers) {}

    worker_memory& worker(std::int32_t i) { return workers_[static_cast<std::size_t>(i)]; }
    const prepared_binding& main_binding() const { return *workers_.front().alone; }

    // One picture per thread: for as many pictures as threads, or pictures too small to share.
    void run_side_by_side(std::int32_t first, std::int32_t n) {
        std::atomic<std::int32_t> next{first};
        const std::int32_t end = first + n;
        helpers_->together(std::min(n, static_cast<std::int32_t>(workers_.size())), [&](std::int32_t i) {
            worker_memory& own = worker(i);
            for (auto at = next.fetch_add(1); at < end; at = next.fetch_add(1))
                own.alone->run(at, 1, own.scratch.get());
        });
    }

    result<void> equip(std::int32_t i, const memory_layout& layout, std::int32_t most) {
        worker_memory& w = worker(i);
        if (i < most) {
            FACEFLOW_ASSIGN(w.maps, zeros(layout.bytes()));
            tensor_places places = layout.in(w.maps.get(), floats_at(device_, input_));
            for (const placed_output& o : outputs_)
                places.vectors[static_cast<std::size_t>(o.vector)].data = floats_at(device_, o.memory.data());
            w.alone = std::make_unique<prepared_binding>(of_, std::move(places));
        }
        if (i > 0) {
            FACEFLOW_ASSIGN(w.passing, zeros(layout.passing_bytes()));
            w.beside = std::make_unique<prepared_binding>(of_, layout.beside(main_binding().places(), w.passing.get()));
        }
        FACEFLOW_ASSIGN(w.scratch, zeros(main_binding().scratch() * sizeof(float)));
        return {};
    }

    result<void> take_input(const binding_request& wanted) {
        input_ = wanted.input;
        if (input_ != nullptr) return {};
        const std::int64_t floats = wanted.most * of_->of().input_length(wanted.height, wanted.width);
        FACEFLOW_ASSIGN(own_input_,
                        device_buffer::allocate(device_.pool(), static_cast<std::size_t>(floats) * sizeof(float)));
        input_ = own_input_.data();
        return {};
    }

    // Outputs are read by others than layers, so they lie on the device.
    result<void> take_output(const network_output& o, const memory_layout& layout, std::int32_t most) {
        const tensor_index i = find_vector(of_->of(), o.name);
        const std::int64_t length = i < 0 ? 0 : layout.length(i);
        if (length != o.length()) {
            return fail(errc::corrupt, fmt::format("the model's plan gives {} numbers as {}, where {} are wanted",
                                                   length, o.name, o.length()));
        }
        const std::size_t floats = static_cast<std::size_t>(length) * static_cast<std::size_t>(most);
        FACEFLOW_ASSIGN(auto memory, device_buffer::allocate(device_.pool(), floats * sizeof(float)));
        outputs_.push_back({o.name, i, std::move(memory)});
        return {};
    }

    const std::shared_ptr<const prepared_network> of_;
    device& device_;
    worker_pool* const helpers_;
    device_buffer own_input_;
    std::byte* input_ = nullptr;
    std::vector<placed_output> outputs_;
    std::vector<worker_memory> workers_;
    std::optional<shared_run> together_;
    bool cleared_ = false;
};

class cpu_network final : public network {
public:
    cpu_network(std::shared_ptr<const prepared_network> of, threading how) : of_(std::move(of)), how_(how) {}

    picture_form form() const noexcept override {
        const plan_input& in = of_->of().input;
        return {vision::tensor_format::planar_float, in.scale, in.bias};
    }

    result<std::unique_ptr<bound_network>> bind(stream& s, const binding_request& wanted) override {
        return bound_cpu::create(of_, s, wanted, how_ == threading::shared ? s.owner().helpers() : nullptr);
    }

private:
    const std::shared_ptr<const prepared_network> of_;
    const threading how_;
};

}  // namespace

std::shared_ptr<network> make_cpu_network(plan of, threading how, host_precision in_what) {
    return std::make_shared<cpu_network>(prepared_network::make(std::move(of), in_what), how);
}

result<std::shared_ptr<network>> make_cpu_network(device&, const network_request& wanted) {
    auto read = load_plan(wanted.model, wanted.model_sha256);
    if (!read) {
        return fail(read.error().code == errc::not_found ? errc::unsupported : read.error().code,
                    std::move(read.error().message));
    }
    return make_cpu_network(std::move(*read), wanted.how, wanted.on_host);
}

}  // namespace faceflow::internal::inference
