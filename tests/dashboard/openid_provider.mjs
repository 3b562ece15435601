// A real OpenID Connect provider (oidc-provider, certified) with people that a test describes.
//
// Its arguments: the folder with node_modules, the port, the dashboard's redirect URI, the client's secret.
// Who is asked to sign in is whom `PUT /control` named last; that takes what a test changes as JSON:
// {person, claims, keys: "new", clock: seconds, status: 500}.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import http from 'node:http';
import { pathToFileURL } from 'node:url';

const [modules, port, redirect, secret] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const issuer = `http://127.0.0.1:${port}`;
const now = Date.now;
let state = { person: 'ada', claims: {}, status: 0 };
let provider;

function begin() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'ES256' };
  provider = new Provider(issuer, {
    clients: [{
      client_id: 'dashboard',
      ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: 'none' }),
      redirect_uris: [redirect],
      post_logout_redirect_uris: [redirect.replace('/openid/callback', '')],
      id_token_signed_response_alg: 'ES256',
    }],
    jwks: { keys: [key] },
    cookies: { keys: [randomUUID()] },
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['preferred_username', 'groups'] },
    conformIdTokenClaims: true,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...state.claims }) }),
    renderError: (ctx, out) => { ctx.type = 'json'; ctx.body = out; },
    ttl: { Interaction: 600, Session: 600, Grant: 600, IdToken: 300, AccessToken: 300, AuthorizationCode: 60 },
  });
}

async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (state.person === '') {
    return provider.interactionFinished(request, response, { error: 'access_denied' });
  }
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: state.person } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

async function control(request, response) {
  let body = '';
  for await (const piece of request) body += piece;
  const { keys, clock, ...rest } = JSON.parse(body);
  state = { ...state, ...rest };
  if (keys === 'new') begin();
  if (clock !== undefined) Date.now = () => now() + clock * 1000;
  response.end('{}');
}

begin();
http.createServer((request, response) => {
  if (request.url === '/control') control(request, response);
  else if (state.status) response.writeHead(state.status).end('no');
  else if (request.url.startsWith('/interaction/')) {
    interact(request, response).catch((error) => response.writeHead(400).end(String(error)));
  } else provider.callback()(request, response);
}).listen(Number(port), '127.0.0.1');
