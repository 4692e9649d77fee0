// SPDX-License-Identifier: Apache-2.0
#include "gpu_models.hpp"
#include "flow/option_table.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "flow/stages/models.hpp"
#include "inference/catalogue.hpp"

namespace faceflow::internal::bench {
namespace {

// 34 GFLOP on a GPU; a small one would not fill it, a large one take a CPU seconds.
constexpr std::int64_t gpu_matrix = 4096, host_matrix = 1024;

// A length-delimited or a number's field of a protobuf message.
std::string field(int number, const std::string& content) {
    std::string out{static_cast<char>(number << 3 | 2)};
    for (std::size_t n = content.size();; n >>= 7) {
        out += static_cast<char>(n > 127 ? (n & 127) | 128 : n);
        if (n <= 127) break;
    }
    return out + content;
}
std::string field(int number, std::int64_t value) {
    std::string out{static_cast<char>(number << 3)};
    for (;; value >>= 7) {
        out += static_cast<char>(value > 127 ? (value & 127) | 128 : value);
        if (value <= 127) return out;
    }
}

// The model y = x * x for matrices of `side` rows and columns; field numbers are those of onnx.proto.
std::string product_model(std::int64_t side) {
    const std::string dim = field(1, field(1, side));
    const std::string type = field(2, field(1, field(1, std::int64_t{1}) + field(2, dim + dim)));
    const std::string node = field(1, "x") + field(1, "x") + field(2, "y") + field(4, "MatMul");
    const std::string graph =
        field(1, node) + field(2, "product") + field(11, field(1, "x") + type) + field(12, field(1, "y") + type);
    return field(1, std::int64_t{8}) + field(7, graph) + field(8, field(2, std::int64_t{13}));
}

std::shared_ptr<inference::session> session_of(bed& b, inference::runtime& on, const std::string& model) {
    const auto file = std::filesystem::temp_directory_path() / fmt::format("faceflow-product-{}.onnx", ::getpid());
    std::ofstream(file, std::ios::binary) << model;
    auto loaded =
        on.load(file, inference::threading::shared, {.home = b.on().computes_on_host() ? nullptr : &b.work_stream()});
    std::filesystem::remove(file);
    return value_or_exit(std::move(loaded));
}

// Both ways, on a batch of n.
model_row measured(bed& b, std::string name, inference::bound_network& model, std::int32_t n, const model_cost& cost) {
    model_row r;
    r.name = std::move(name);
    r.cost = cost;
    stream& on = b.work_stream();
    const auto begun = std::chrono::steady_clock::now();
    model.add_run(on, 0, n);
    b.wait();
    r.first_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
    r.by_kernel_us = b.measure([&](std::size_t) { model.add_run(on, 0, n); });
    if (b.on().computes_on_host()) return r;
    const auto graph = on.capture([&]() -> result<void> {
        model.add_run(on, 0, n);
        return {};
    });
    if (graph) r.graph_us = b.measure([&](std::size_t) { on.launch(**graph); });
    return r;
}

// Who runs the models, as --inference names it; those that cannot are left out.
std::vector<std::string> runners(bed& b) {
    return {"native", b.on().computes_on_host() ? "onnxruntime" : "cuda"};
}

}  // namespace

double matrix_rate(bed& b) {
    const auto runtime = inference::runtime::create({});
    if (!runtime || (!b.on().computes_on_host() && !(*runtime)->check_cuda())) return 0;
    const std::int64_t side = b.on().computes_on_host() ? host_matrix : gpu_matrix;
    const auto bytes = static_cast<std::size_t>(side * side) * sizeof(float);
    const auto model = session_of(b, **runtime, product_model(side));
    const auto at = [&](std::byte* memory) {
        return reinterpret_cast<float*>(b.on().computes_on_host() ? b.on().kernel_address(memory) : memory);
    };
    // Noise: zeros would use less power, and so run faster than data does.
    std::vector<float> noise(bytes / sizeof(float));
    std::minstd_rand random(3);
    for (float& x : noise)
        x = static_cast<float>(random() % 2001) / 1000.0f - 1;
    const inference::bound_tensor x{"x", at(b.upload(noise.data(), bytes)), {side, side}},
        y{"y", at(b.memory(bytes)), {side, side}};
    auto product = value_or_exit(model->bind({&x, 1}, {&y, 1}));
    const double us = b.measure([&](std::size_t) { b.work_stream().enqueue([&] { return product->run(); }); });
    return 2.0 * static_cast<double>(side * side * side) / us * 1e6;
}

std::vector<model_row> model_rows(bed& b) {
    const auto store = value_or_exit(inference::model_store::open());
    const auto runtime = [] { return inference::runtime::create({}); };
    constexpr std::int32_t max_frames = 16, faces = 64;
    const bool host = b.on().computes_on_host();
    std::vector<model_row> rows;
    for (const std::string& by : runners(b)) {
        options chosen;
        chosen.inference = flow::value_of<&options::inference>(by).value();
        if (auto r = flow::choose_inference(chosen, host); !r) {
            fmt::print(stderr, "gpu: models by {}: {}\n", by, r.error().message);
            continue;
        }
        const auto models = flow::load_models(
            {.chosen = chosen, .store = store, .on = b.on(), .runtime = runtime, .how = inference::threading::shared});
        if (!models) {
            fmt::print(stderr, "gpu: models by {}: {}\n", by, models.error().message);
            continue;
        }
        auto detector = value_or_exit(models->detector->bind(b.work_stream(), {.height = models->detect_height,
                                                                               .width = models->detect_width,
                                                                               .most = host ? 4 : max_frames,
                                                                               .outputs = models->detector_outputs()}));
        auto mesh = value_or_exit(models->mesh->bind(b.work_stream(), {.height = models->mesh_graph.size,
                                                                       .width = models->mesh_graph.size,
                                                                       .most = host ? 4 : faces,
                                                                       .outputs = models->mesh_outputs()}));
        for (const std::int32_t n : {1, 4, 16}) {
            if (host && n > 4) continue;  // a CPU gains nothing from more
            rows.push_back(measured(b, fmt::format("{}: detector/frames:{}", by, n), *detector, n, detector_cost(n)));
        }
        for (const std::int32_t n : {1, 4, 16, 64}) {
            if (host && n > 4) continue;
            rows.push_back(measured(b, fmt::format("{}: mesh/faces:{}", by, n), *mesh, n, mesh_cost(n)));
        }
    }
    return rows;
}

}  // namespace faceflow::internal::bench
