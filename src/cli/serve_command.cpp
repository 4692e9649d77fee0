// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/output.hpp"
#include "cli/token.hpp"
#include "core/try.hpp"
#include "serve/http_client.hpp"
#include "serve/http_server.hpp"
#include "serve/service.hpp"

namespace faceflow::internal::cli {
namespace {

struct serve_arguments {
    std::vector<std::string> inputs, more_inputs;
    std::string config;  // read before all options are parsed
    engine_options engine;
    std::string listen = "127.0.0.1:8080", token_file;
    serve::tls_files tls;
    std::filesystem::path recordings = "faceflow-recordings";
    double segment_minutes = 15;
    bool loop = false, record = false, open_to_all = false, quiet = false;
};

// "NAME=INPUT", or an input that gets the name source-1, source-2, …
serve::source_request request_of(const std::string& argument, std::size_t number, bool loop) {
    const std::size_t equals = argument.find('=');
    const std::string_view name = std::string_view(argument).substr(0, equals);
    const bool named =
        equals != std::string::npos && !name.empty() && name.find_first_of("/:?. ") == std::string_view::npos;
    if (!named) return {fmt::format("source-{}", number), argument, loop};
    return {std::string(name), argument.substr(equals + 1), loop};
}

result<void> check_access(const serve_arguments& a, const serve::listen_address& where, const std::string& token) {
    if (a.tls.certificate.empty() != a.tls.key.empty())
        return fail(errc::invalid_argument, "--tls-certificate and --tls-key go together: give both");
    if (!serve::is_loopback(where) && token.empty() && !a.open_to_all) {
        return fail(
            errc::invalid_argument,
            fmt::format("--listen {} lets other machines in: give a token in FACEFLOW_TOKEN or --token-file, or "
                        "say --open-to-all",
                        a.listen));
    }
    return {};
}

result<void> add_sources(serve::service& to, const serve_arguments& a) {
    std::size_t number = 0;
    std::vector<std::string> all = a.more_inputs;
    all.insert(all.end(), a.inputs.begin(), a.inputs.end());
    for (const std::string& input : all) {
        FACEFLOW_ASSIGN(const auto added, to.add(request_of(input, ++number, a.loop)));
        if (a.record) FACEFLOW_TRY(to.record(added.source.name, true));
    }
    return {};
}

result<void> serve_until_stopped(const serve_arguments& a) {
    const std::atomic<bool>& stop = stop_on_signals();
    FACEFLOW_ASSIGN(auto where, serve::parse_listen_address(a.listen));
    FACEFLOW_ASSIGN(auto token, read_token(a.token_file));
    FACEFLOW_TRY(check_access(a, where, token));
    const std::chrono::duration<double, std::ratio<60>> segment(a.segment_minutes);
    FACEFLOW_ASSIGN(auto service, serve::service::create(
                                      {.chosen = a.engine.resolve(),
                                       .recordings = a.recordings,
                                       .segment = std::chrono::ceil<std::chrono::seconds>(segment),
                                       .note = [](const std::string& line) { to_stderr("faceflow: {}\n", line); }}));
    FACEFLOW_TRY(add_sources(*service, a));
    FACEFLOW_ASSIGN(const auto server,
                    serve::http_server::start(*service, {std::move(where), std::move(token), a.tls}));
    const serve::listen_address& at = server->address();
    if (!a.quiet) {
        to_stderr("faceflow: serving at {}\n",
                  serve::to_text({!a.tls.certificate.empty(), at.host, std::to_string(at.port)}));
    }
    while (!stop) {
        FACEFLOW_TRY(service->health());
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return {};
}

}  // namespace

declared add_serve(CLI::App& app) {
    auto a = std::make_shared<serve_arguments>();
    auto* serve = app.add_subcommand("serve", "serve live sources: a page, an HTTP API, metrics");
    serve
        ->add_option(
            "SOURCE", a->inputs,
            "cameras, streams and recordings to begin with, each as NAME=INPUT or INPUT; more come by the page "
            "and the API")
        ->type_name("SOURCE");
    const auto where = "Server";
    serve
        ->add_option(
            "--listen", a->listen,
            "IP address and port to listen on; port 0: any free one. Another address than a loopback one needs "
            "a token")
        ->type_name("ADDRESS")
        ->capture_default_str()
        ->group(where);
    serve
        ->add_option("--token-file", a->token_file,
                     "file with the token that every request must have; default: the environment's FACEFLOW_TOKEN, or "
                     "none")
        ->type_name("FILE")
        ->group(where);
    serve->add_flag("--open-to-all,!--no-open-to-all", a->open_to_all, "serve other machines without a token")
        ->default_str("off")
        ->group(where);
    serve
        ->add_option("--tls-certificate", a->tls.certificate,
                     "PEM file with the server's certificate: serve HTTPS (TLS 1.2 or newer)")
        ->type_name("FILE")
        ->group(where);
    serve->add_option("--tls-key", a->tls.key, "PEM file with its private key")->type_name("FILE")->group(where);
    serve->add_option("--recordings", a->recordings, "folder of recordings, which the page shows")
        ->type_name("DIR")
        ->capture_default_str()
        ->group("Output");
    serve->add_option("--segment", a->segment_minutes, "a recording begins a new folder after this time")
        ->type_name("MINUTES")
        ->check(CLI::Range(0.01, 1440.0))
        ->capture_default_str()
        ->group("Output");
    serve->add_flag("--record,!--no-record", a->record, "record the sources that are given here")
        ->default_str("off")
        ->group("Output");
    serve->add_flag("--loop,!--no-loop", a->loop, "recordings begin again at their end")
        ->default_str("off")
        ->group(inputs_group);
    serve->add_flag("--quiet,!--no-quiet", a->quiet, "print nothing but errors")->group("Output");
    serve->add_option("--source", a->more_inputs, "the same as SOURCE; may be given several times")
        ->type_name("SOURCE")
        ->allow_extra_args(false)
        ->group(inputs_group);
    add_engine_options(*serve, a->engine);
    serve
        ->add_option(
            "--config", a->config,
            "TOML file with these options as keys, without leading dashes, and sources under [sources] as NAME = "
            "\"INPUT\"; the command line takes precedence")
        ->type_name("FILE.toml");
    give_examples(*serve,
                  {{"A camera and a stream, seen at http://127.0.0.1:8080/",
                    "faceflow serve desk=/dev/video0 door=rtsp://door/live"},
                   {"A recording as a camera", "faceflow serve demo=clip.mp4 --loop"},
                   {"For other machines, with a token", "FACEFLOW_TOKEN=secret faceflow serve --listen 0.0.0.0:8080"}});
    return {serve, [a](const given& options) {
                const auto done = serve_until_stopped(*a);
                return done ? exit_done : report(done.error(), options);
            }};
}

}  // namespace faceflow::internal::cli
